"""The analyst: takes snapshots out of the spool and measures them."""

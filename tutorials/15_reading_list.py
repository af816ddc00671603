# %% [markdown]
# # 15. Reading list
#
# Everything in this course was a paper once. This last chapter says which, in what order to read them, and, for each
# equation that minisd computes, in which file and line it stands. A paper is easier to read beside code that runs, and
# code is easier to trust beside the paper.
#
# You need nothing before it; best is to read a paper when its chapter is done. It takes a second. What it says of the
# library it checks: each function exists, and names its equation.

# %%
import importlib
import inspect
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import minisd_kernels
import numpy as np
from matplotlib.figure import Figure

import minisd
from minisd.course import show, source

# %% [markdown]
# ## How to read one
#
# 1. Title, abstract, figures, conclusion. What do they claim, and against what do they compare?
# 2. The one equation that the rest hangs on. In DDPM it is eq. 4 (noise of any strength in one step), in attention
#    eq. 1, in the VAE the bound. Write down the shape of every letter in it, as minisd's docstrings do.
# 3. Beside it the function that computes it. Where a letter differs, note it: DDIM's $\alpha_t$ is DDPM's
#    $\bar\alpha_t$, and costs everyone an afternoon.
# 4. The algorithm box, beside the loop. Which steps are not in any equation? Those are often the ones that matter.
# 5. Last the proofs and the appendix. What the code needs and the paper's body leaves out stands there: widths,
#    learning rates, what was tried and failed.
#
# ## The table
#
# A paper, where to find it, and beside each of its equations the thing in minisd that computes it. "eq. 4" and the like
# are the paper's own numbers. A paper with nothing beside it is one that a chapter only tells of.

# %%


class Paper(NamedTuple):
    """A paper, and what of it stands where.

    Attributes:
        chapter: of this course, where it is needed first.
        cited: how the library's comments name it.
        places: pairs of what the paper calls it, and the thing in the library that computes it.
    """

    chapter: int
    topic: str
    cited: str
    title: str
    link: str
    places: tuple[tuple[str, str], ...]


PAPERS = (
    Paper(2, "networks", "Dumoulin & Visin 2016", "A guide to convolution arithmetic for deep learning",
          "arXiv:1603.07285", (("relations 6, 15", "minisd_kernels.shapes.window"),
                               ("relation 15", "minisd_kernels.conv2d"),
                               ("relation 3", "minisd_kernels.shapes.half_padding"),
                               ("relation 14", "minisd_kernels.shapes.transposed_output_size"),
                               ("section 4", "minisd_kernels.conv_transpose2d"))),
    Paper(5, "networks", "Long, Shelhamer & Darrell 2015", "Fully convolutional networks for semantic segmentation",
          "arXiv:1411.4038", (("figure 3", "minisd.models.fcn.SkipFCN"),)),
    Paper(5, "networks", "Ronneberger et al. 2015", "U-Net: convolutional networks for biomedical image segmentation",
          "arXiv:1505.04597", (("figure 1", "minisd.ops.skips"),
                               ("eq. 1", "minisd.ops.cross_entropy"),
                               ("eq. 2", "minisd.data.weight_map"))),
    Paper(5, "networks", "He et al. 2016", "Deep residual learning for image recognition",
          "arXiv:1512.03385", (("residual block", "minisd.nn.residual"),)),
    Paper(9, "networks", "Wu & He 2018", "Group normalization",
          "arXiv:1803.08494", (("eq. 1-2, 7", "minisd_kernels.group_norm"),)),
    Paper(7, "networks", "Ba et al. 2016", "Layer normalization",
          "arXiv:1607.06450", (("eq. 3", "minisd_kernels.layer_norm"),)),
    Paper(9, "training", "Kingma & Ba 2015", "Adam: a method for stochastic optimization",
          "arXiv:1412.6980", (("algorithm 1", "minisd.optim.AdamW"),)),
    Paper(9, "training", "Loshchilov & Hutter 2017", "SGDR: stochastic gradient descent with warm restarts",
          "arXiv:1608.03983", (("eq. 5", "minisd.optim"),)),
    Paper(9, "training", "Loshchilov & Hutter 2019", "Decoupled weight decay regularization",
          "arXiv:1711.05101", (("algorithm 2", "minisd.optim.AdamW"), ("algorithm 2", "minisd_kernels.adam"))),
    Paper(6, "latents", "Kingma & Welling 2014", "Auto-encoding variational Bayes",
          "arXiv:1312.6114", (("section 2.4", "minisd.models.vae.reparameterise"),
                              ("appendix B", "minisd.ops.kl_divergence"))),
    Paper(6, "latents", "Rombach et al. 2022", "High-resolution image synthesis with latent diffusion models",
          "arXiv:2112.10752", (("section 3.3", "minisd.models.unet"),
                               ("appendix E.2.1", "minisd.nn.SpatialTransformer"),
                               ("appendix G", "minisd.models.vae.scale_factor"))),
    Paper(7, "words", "Sennrich et al. 2016", "Neural machine translation of rare words with subword units",
          "arXiv:1508.07909", (("byte-pair encoding", "minisd.text.tokenizer"),)),
    Paper(7, "words", "Radford et al. 2021", "Learning transferable visual models from natural language supervision",
          "arXiv:2103.00020", (("figure 3", "minisd.models.clip.contrastive_loss"),)),
    Paper(8, "attention", "Vaswani et al. 2017", "Attention is all you need",
          "arXiv:1706.03762", (("eq. 1", "minisd_kernels.attention"), ("eq. 1", "minisd.ops.attention.attention"),
                               ("section 3.2.2", "minisd.nn.MultiHeadAttention"),
                               ("section 3.5", "minisd.models.time.time_embedding"))),
    Paper(20, "attention", "Dosovitskiy et al. 2021", "An image is worth 16x16 words: transformers at scale",
          "arXiv:2010.11929", (("eq. 1", "minisd.models.dit.to_patches"),)),
    Paper(20, "attention", "Peebles & Xie 2023", "Scalable diffusion models with transformers",
          "arXiv:2212.09748", (("figure 3", "minisd.models.dit"), ("section 3.2", "minisd.ops.adaptive_layer_norm"))),
    Paper(20, "attention", "Chen et al. 2023", "PixArt-alpha: fast training of diffusion transformer",
          "arXiv:2310.00426", (("figure 4", "minisd.models.dit"),)),
    Paper(14, "attention", "Shazeer 2020", "GLU variants improve transformer",
          "arXiv:2002.05202", (("eq. 5", "minisd_kernels.geglu"),)),
    Paper(7, "attention", "Hendrycks & Gimpel 2016", "Gaussian error linear units",
          "arXiv:1606.08415", (("section 2", "minisd_kernels.gelu"),)),
    Paper(12, "attention", "Dao et al. 2022", "FlashAttention: fast and memory-efficient exact attention",
          "arXiv:2205.14135", (("appendix B.2", "minisd_kernels.attention.backward"),)),
    Paper(9, "diffusion", "Ho et al. 2020", "Denoising diffusion probabilistic models",
          "arXiv:2006.11239", (("eq. 4", "minisd.diffusion.schedule.NoiseSchedule.add_noise"),
                               ("eq. 15", "minisd.diffusion.prediction.x_0_and_noise"),
                               ("eq. 6 and 7", "minisd.diffusion.samplers.ddpm.ddpm_step"),
                               ("algorithm 2", "minisd.diffusion.samplers.ddpm.ddpm"),
                               ("algorithm 1", "minisd.train.denoiser"),
                               ("section 4", "minisd.diffusion.schedule.linear_schedule"),
                               ("appendix B", "minisd.nn.residual"))),
    Paper(10, "diffusion", "Song et al. 2021", "Denoising diffusion implicit models",
          "arXiv:2010.02502", (("eq. 12", "minisd.diffusion.samplers.ddim.ddim_step"),
                               ("eq. 16", "minisd.diffusion.samplers.ddim.ddim_step"))),
    Paper(9, "diffusion", "Nichol & Dhariwal 2021", "Improved denoising diffusion probabilistic models",
          "arXiv:2102.09672", (("eq. 17", "minisd.diffusion.schedule.cosine_schedule"),
                               ("section 4", "minisd.diffusion.samplers.ddpm"))),
    Paper(9, "diffusion", "Kingma et al. 2021", "Variational diffusion models",
          "arXiv:2107.00630", (("eq. 2", "minisd.diffusion.schedule.NoiseSchedule.snr"),
                               ("appendix I.1", "minisd.diffusion.objectives.Objective"))),
    Paper(9, "diffusion", "Salimans & Ho 2022", "Progressive distillation for fast sampling of diffusion models",
          "arXiv:2202.00512", (("section 4", "minisd.diffusion.prediction.target"),
                               ("appendix D", "minisd.diffusion.prediction.x_0_and_noise"))),
    Paper(10, "diffusion", "Ho & Salimans 2022", "Classifier-free diffusion guidance",
          "arXiv:2207.12598", (("eq. 6", "minisd.diffusion.guidance.guided"),)),
    Paper(10, "diffusion", "Karras et al. 2022", "Elucidating the design space of diffusion-based generative models",
          "arXiv:2206.00364", (("eq. 5", "minisd.diffusion.spacing.karras"),
                               ("algorithm 1", "minisd.diffusion.samplers.euler"),
                               ("algorithm 1", "minisd.diffusion.samplers.heun"))),
    Paper(10, "diffusion", "Lu et al. 2022", "DPM-Solver++: fast solver for guided sampling",
          "arXiv:2211.01095", (("algorithm 2", "minisd.diffusion.samplers.dpm_solver"),
                               ("SDE-DPM-Solver++(2M)", "minisd.diffusion.samplers.dpm_solver_sde"))),
    Paper(10, "diffusion", "Zhao et al. 2023", "UniPC: a unified predictor-corrector framework",
          "arXiv:2302.04867", (("algorithm 1", "minisd.diffusion.samplers.unipc"),
                               ("algorithm 2", "minisd.diffusion.samplers.unipc"))),
    Paper(10, "diffusion", "Lipman et al. 2023", "Flow matching for generative modeling",
          "arXiv:2210.02747", (("eq. 22", "minisd.diffusion.schedule.FlowSchedule"),
                               ("eq. 23", "minisd.diffusion.prediction"))),
    Paper(10, "diffusion", "Liu et al. 2023", "Flow straight and fast: learning with rectified flow",
          "arXiv:2209.03003", (("eq. 1", "minisd.diffusion.schedule.FlowSchedule"),)),
    Paper(19, "diffusion", "Albergo & Vanden-Eijnden 2023", "Building normalizing flows with stochastic interpolants",
          "arXiv:2209.15571", (("interpolant", "minisd.diffusion.schedule.FlowSchedule"),)),
    Paper(19, "diffusion", "Kingma & Gao 2023", "Understanding diffusion objectives as the ELBO",
          "arXiv:2303.00848", (("weight", "minisd.diffusion.objectives.weighting"),)),
    Paper(19, "diffusion", "Esser et al. 2024", "Scaling rectified flow transformers for high-resolution images",
          "arXiv:2403.03206", (("section 3.1", "minisd.diffusion.objectives.times.logit_normal"),)),
    Paper(21, "few steps", "Song et al. 2023", "Consistency models",
          "arXiv:2303.01469", (("section 3", "minisd.diffusion.consistency"),
                               ("algorithm 1", "minisd.diffusion.consistency.multistep"))),
    Paper(21, "few steps", "Meng et al. 2023", "On distillation of guided diffusion models",
          "arXiv:2210.03142", (("guidance", "minisd.train.few"),)),
    Paper(21, "few steps", "Luhman & Luhman 2021", "Knowledge distillation in iterative generative models",
          "arXiv:2101.02388", (("from x_T alone", "minisd.train.few"),)),
    Paper(21, "few steps", "Luo et al. 2023", "Latent consistency models", "arXiv:2310.04378", ()),
    Paper(21, "few steps", "Song & Dhariwal 2024", "Improved techniques for training consistency models",
          "arXiv:2310.14189", ()),
    Paper(21, "few steps", "Sauer et al. 2023", "Adversarial diffusion distillation", "arXiv:2311.17042", ()),
    Paper(10, "diffusion", "Lin et al. 2024", "Common diffusion noise schedules and sample steps are flawed",
          "arXiv:2305.08891", (("table 2", "minisd.diffusion.spacing"),
                               ("eq. 14 to 16", "minisd.diffusion.guidance.rescaled"))),
    Paper(17, "diffusion", "Lugmayr et al. 2022", "RePaint: inpainting using denoising diffusion probabilistic models",
          "arXiv:2201.09865", (("section 4.2", "minisd.diffusion.inpainting.stretches"),)),
    Paper(17, "diffusion", "Meng et al. 2022", "SDEdit: guided image synthesis with stochastic differential equations",
          "arXiv:2108.01073", (("SDEdit", "minisd.pipeline.given"),)),
    Paper(17, "diffusion", "Shoemake 1985", "Animating rotation with quaternion curves",
          "doi:10.1145/325334.325242", (("slerp", "minisd.diffusion.interpolation.slerp"),)),
    Paper(11, "measuring", "Heusel et al. 2017", "GANs trained by a two time-scale update rule (the paper of FID)",
          "arXiv:1706.08500", (("eq. 6", "minisd.metrics.frechet_distance"),)),
    Paper(11, "measuring", "Kynkaanniemi et al. 2019", "Improved precision and recall metric",
          "arXiv:1904.06991", (("eq. 1-2", "minisd.metrics.precision_and_recall"),)),
    Paper(11, "measuring", "Naeem et al. 2020", "Reliable fidelity and diversity metrics for generative models",
          "arXiv:2002.09797", (("section 3.2", "minisd.metrics.coverage"),)),
    Paper(12, "speed", "Williams et al. 2009", "Roofline: an insightful visual performance model for multicore",
          "doi:10.1145/1498765.1498785", (("attainable", "minisd.bench.roofline"),)),
    Paper(12, "speed", "Lavin & Gray 2016", "Fast algorithms for convolutional neural networks",
          "arXiv:1509.09308", (("equation 12", "minisd_kernels.conv2d.winograd"),)),
    Paper(18, "Hi-Res", "Ho et al. 2022", "Cascaded diffusion models for high fidelity image generation",
          "arXiv:2106.15282", (("non-truncated conditioning", "minisd.hires"),
                               ("section 3", "minisd.models.unet.UNetConfig"))),
    Paper(18, "Hi-Res", "Saharia et al. 2021", "Image super-resolution via iterative refinement",
          "arXiv:2104.07636", (("SR3", "minisd.hires"),)),
    Paper(18, "Hi-Res", "Keys 1981", "Cubic convolution interpolation for digital image processing",
          "doi:10.1109/TASSP.1981.1163711", (("cubic convolution", "minisd.resizing.bicubic"),)),
    Paper(22, "LoRA", "Eckart & Young 1936", "The approximation of one matrix by another of lower rank",
          "doi:10.1007/BF02288367", ()),
    Paper(22, "LoRA", "Hu et al. 2021", "LoRA: low-rank adaptation of large language models",
          "arXiv:2106.09685", (("eq. 3", "minisd.nn.lora"),)),
    Paper(22, "LoRA", "Ruiz et al. 2023", "DreamBooth: fine tuning diffusion models for subject-driven generation",
          "arXiv:2208.12242", (("prior preservation", "minisd.train.lora.with_what_is_known"),)),
    Paper(22, "LoRA", "Kalajdzievski 2023", "A rank stabilization scaling factor for fine-tuning with LoRA",
          "arXiv:2312.03732", ()),
)  # fmt: skip


def found(dotted):
    """The function, class or module of that name."""
    try:
        return importlib.import_module(dotted)
    except ModuleNotFoundError as missing:
        if missing.name == "numba":
            return None  # it is there, but cannot be imported
        parent, _, name = dotted.rpartition(".")
        return getattr(found(parent), name)


def place(thing):
    """File and line, as a reader would look for it."""
    file = Path(inspect.getsourcefile(thing))
    root = next(
        Path(p.__file__).parent.parent for p in (minisd, minisd_kernels) if Path(p.__file__).parent in file.parents
    )
    line = 1 if inspect.ismodule(thing) else inspect.getsourcelines(thing)[1]
    return f"{file.relative_to(root).as_posix()}:{line}"


def text_of(thing):
    """Its docstring and its lines, with those of the file's head: all in one line."""
    module = thing if inspect.ismodule(thing) else inspect.getmodule(thing)
    return " ".join(f"{module.__doc__} {inspect.getsource(thing)}".split())


def names(paper):
    """How a comment may name the paper: all its authors, or the first and "et al."."""
    authors, year = paper.cited.rsplit(" ", 1)
    first = re.split(r",| &| et al", authors)[0]
    return re.compile(rf"{re.escape(first)}[^.;()]*(et al\.)?[^.;()]*\(?{year}")


count = 0
for paper in sorted(PAPERS, key=lambda paper: paper.chapter):
    print(f"chapter {paper.chapter}: {paper.cited}, {paper.title}, {paper.link}")
    for label, dotted in paper.places:
        thing = found(dotted)
        count += 1
        if thing is None:
            print(f"    {label:18} {dotted} needs Numba")
            continue
        text = text_of(thing)
        print(f"    {label:18} {place(thing):48} {dotted.rpartition('.')[2]}")
        assert names(paper).search(text), f"{dotted} does not name {paper.cited}"
        number = re.escape(label.split(" ", 1)[1]) if label.startswith("eq. ") else re.escape(label)
        assert re.search(rf"\b{number}", text), f"{dotted} does not name {label}"
print(f"{len(PAPERS)} papers, {count} places: every one exists, and names its equation")
assert count >= 45

# %% [markdown]
# And the other way round: whoever adds an equation to minisd's comments must put its paper on this list. We look
# through all of the library for citations with an equation, algorithm or relation.

# %%
CITATION = re.compile(
    r"([A-Z]\w+)(?:(?:,| &| and) [A-Z]\w+)*(?: et al\.)? \(?(\d{4}),? (?:eq\.|equation|relation|algorithm)"
)
cited = set()
for package in (minisd, minisd_kernels):
    for file in Path(package.__file__).parent.rglob("*"):
        if file.suffix in (".py", ".cu", ".cuh") and "course" not in file.parts:
            cited |= set(CITATION.findall(" ".join(file.read_text(encoding="utf-8").split())))
listed = {(re.split(r",| ", paper.cited)[0], paper.cited.rsplit(" ", 1)[1]) for paper in PAPERS}
elsewhere = {("Shi", "2016")}  # pixel shuffle, which `minisd shapes` knows and no network here has
print(f"cited with an equation's number: {', '.join(' '.join(pair) for pair in sorted(cited))}")
assert len(cited) >= 12 and cited - elsewhere <= listed, sorted(cited - elsewhere - listed)

# %% [markdown]
# ## One of them, side by side
#
# DDIM's eq. 12, as the paper has it (its $\alpha$ is DDPM's $\bar\alpha$, and the square of the code's alpha):
#
# $$x_{t-1} = \sqrt{\alpha_{t-1}} \underbrace{\left(\frac{x_t - \sqrt{1 - \alpha_t}\, \epsilon_\theta}{\sqrt{\alpha_t}}
# \right)}_{\text{predicted } x_0} + \underbrace{\sqrt{1 - \alpha_{t-1} - \sigma_t^2}\;
# \epsilon_\theta}_{\text{direction pointing to } x_t} + \underbrace{\sigma_t\, \epsilon}_{\text{random noise}}$$
#
# and as it runs. Lay a finger on each of the three terms.

# %%
source(found("minisd.diffusion.samplers.ddim.ddim_step"))

# %% [markdown]
# ## In which order
#
# By chapters, if you have time. If you have a week, these seven, a day each: U-Net (Ronneberger), Attention (Vaswani),
# VAE (Kingma and Welling: sections 1 to 3), DDPM (Ho), DDIM (Song), guidance (Ho and Salimans), latent diffusion
# (Rombach). If you have a day: DDPM, sections 2 and 3, with chapters 9 and 10 beside it.
#
# Behind the line of this course lie: score matching and stochastic differential equations (Song et al. 2021,
# "Score-based generative modeling") and SDXL (Podell et al. 2023).

# %%
WEEK = ("Ronneberger", "Vaswani", "Kingma & Welling", "Ho et al. 2020", "Song et al. 2021", "Ho & Salimans", "Rombach")
for name in WEEK:
    assert sum(paper.cited.startswith(name) for paper in PAPERS) == 1

topics = list(dict.fromkeys(paper.topic for paper in PAPERS))
FIRST = 2014  # an older paper stands left of it, with its year
figure = Figure(figsize=(10, 8), dpi=110, layout="constrained")
panel = figure.subplots()
under = {}  # how many names stand under a dot already
together = Counter((paper.topic, paper.cited.rsplit(" ", 1)[1]) for paper in PAPERS)
deep = {topic: 1 + max(count for (of, _), count in together.items() if of == topic) for topic in topics}
rows = dict(zip(topics, np.cumsum([0, *deep.values()]), strict=False))  # in lines of names
for paper in PAPERS:
    authors, year = paper.cited.rsplit(" ", 1)
    at = max(int(year), FIRST - 1), rows[paper.topic]
    name = re.split(r",| ", authors)[0] + (f" ({year})" if int(year) < FIRST else "")
    line = under[at] = under.get(at, 0) + 1
    panel.plot(*at, "o", color="0.3")
    colour, weight = ("tab:red", "bold") if paper.cited.startswith(WEEK) else ("0.3", "normal")
    panel.annotate(
        name, at, (0, 7 - 13 * line), textcoords="offset points", ha="center", va="top", color=colour, weight=weight
    )
for row in rows.values():
    panel.axhline(row, color="0.85", linewidth=1, zorder=0)
panel.set_yticks([*rows.values()], topics)
panel.set_xticks(range(FIRST, 2025))
panel.set(
    ylim=(sum(deep.values()), -0.4), xlim=(FIRST - 1.6, 2024.6), title="The papers by year; in red those of the week"
)
panel.spines[["top", "right", "left"]].set_visible(False)
panel.tick_params(left=False)
show(figure, "15_years")

# %% [markdown]
# ## Try
#
# 1. DDPM's eq. 7 has two coefficients that sum to almost 1. Find the line that computes them, and say when the second
#    one wins. Answer: near t = 0, where x_t is almost the picture already.
# 2. Find an equation of DDPM that minisd does not compute, and say why. Answer: eq. 5, the bound with its KL terms:
#    training uses eq. 14, which drops their weights.
#
# ## Exercises
#
# None belong to this chapter: write one. An exercise is one file, and `minisd/course/exercise.py` says how; an equation
# of one of these papers, with five mistakes that you have made yourself, is the best there is.

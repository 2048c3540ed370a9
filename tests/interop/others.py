"""Networks of code bases other than diffusers, from packages of PyPI:

    openai   guided-diffusion-sdk 1.0.0 (openai/guided-diffusion)
    compvis  stable-diffusion-sdkit 2.1.5, ldm's openaimodel (CompVis)
    ho       stable-diffusion-sdkit 2.1.5, ldm's diffusionmodules.model (pesser's port of Ho et al.'s)
    labml    labml-nn 0.5.1

A case is (name, scheme, network, content of its file, options of `ddpm`, arguments of the network after x and t)."""

import importlib.util
import random

import torch

PACKAGES = "guided-diffusion-sdk==1.0.0 stable-diffusion-sdkit==2.1.5 labml-nn==0.5.1 einops pillow"


def fill_zeros(net, seed):
    """Fills parameters that are zero: such a layer would hide mistakes in the layers before it."""
    generator = torch.Generator().manual_seed(seed)
    for p in net.parameters():
        if p.abs().max() == 0:
            p.data = 0.1 * torch.randn(p.shape, generator=generator)
    return net.eval()


def openai_arguments(r):
    levels = r.randint(1, 3)
    heads = dict(num_heads=r.choice([2, 4, 8])) if r.random() < 0.6 else dict(num_head_channels=r.choice([8, 16]))
    return dict(
        image_size=16, in_channels=3, out_channels=r.choice([3, 6]), model_channels=32, num_res_blocks=r.randint(1, 2),
        attention_resolutions=[2**i for i in range(levels) if r.random() < 0.6], channel_mult=[r.randint(1, 3) for _ in range(levels)],
        num_classes=r.choice([None, 10]), use_scale_shift_norm=r.random() < 0.5, resblock_updown=r.random() < 0.5,
        use_new_attention_order=r.random() < 0.5, **heads)


def openai_options(a):
    """Options for settings that cannot be inferred from the tensors."""
    options = ["--set", f"model.qkv_order={'blocked' if a['use_new_attention_order'] else 'by_head'}"]
    if "num_heads" in a:
        return options + ["--set", f"model.attention_heads={a['num_heads']}"]
    return options + ["--set", "model.attention_heads=0", "--set", f"model.attention_head_width={a['num_head_channels']}"]


def time_scale(options):
    """The factor of the times: guided-diffusion's rescale_timesteps, if there are not 1000 steps."""
    return next((float(o.split("=")[1]) for o in options if o.startswith("model.time_scale=")), 1)


def openai(count):
    from guided_diffusion.unet import UNetModel

    r = random.Random(3)
    for i in range(count):
        a = openai_arguments(r)
        net = fill_zeros(UNetModel(**a), i)
        more = [] if a["num_classes"] is None else [torch.tensor([7, 0])]
        rescaled = ["--set", "model.time_scale=0.25", "--set", "diffusion.timesteps=4000"] if i % 3 == 2 else []
        yield f"guided-diffusion {i}", "openai", net, net.state_dict(), openai_options(a) + rescaled, more


def has_openai():
    return importlib.util.find_spec("guided_diffusion") is not None


def learned_variance(size):
    """Returns a network that predicts its variance, and a function that computes its loss in float64 by
    guided-diffusion's code from betas, images, timesteps and noise. The function converts the network to float64."""
    from guided_diffusion import gaussian_diffusion as g
    from guided_diffusion.nn import GroupNorm32
    from guided_diffusion.unet import UNetModel

    torch.manual_seed(4)
    net = fill_zeros(UNetModel(image_size=size, in_channels=1, out_channels=2, model_channels=32, num_res_blocks=1,
                               attention_resolutions=[2], channel_mult=[1, 2], num_heads=4, use_scale_shift_norm=True), 4)

    def loss(betas, x0, t, noise):
        # Parts of the code round to float32 on purpose, for networks in half precision; these lines avoid it.
        GroupNorm32.forward = torch.nn.GroupNorm.forward
        g._extract_into_tensor = lambda table, t, shape: torch.from_numpy(table)[t].view(-1, 1, 1, 1).expand(shape)
        net.double().dtype = torch.float64
        net.time_embed.register_forward_pre_hook(lambda _, inputs: (inputs[0].double(),))
        diffusion = g.GaussianDiffusion(betas=betas, model_mean_type=g.ModelMeanType.EPSILON,
                                        model_var_type=g.ModelVarType.LEARNED_RANGE, loss_type=g.LossType.RESCALED_MSE)
        return diffusion.training_losses(net, x0, t, noise=noise)["loss"].mean()

    return net, loss


def compvis():
    from ldm.modules.diffusionmodules.openaimodel import UNetModel

    a = dict(image_size=16, in_channels=3, out_channels=3, model_channels=32, num_res_blocks=2, attention_resolutions=[2],
             channel_mult=[1, 2], num_head_channels=16, use_new_attention_order=False)
    net = fill_zeros(UNetModel(**a), 50)
    file = {"model.diffusion_model." + k: v + 1 for k, v in net.state_dict().items()}
    file |= {"model_ema.diffusion_model" + k.replace(".", ""): v for k, v in net.state_dict().items()}
    yield "CompVis, average", "compvis", net, {"state_dict": file, "global_step": 3}, openai_options(a), []


def ho():
    from ldm.modules.diffusionmodules.model import Model

    a = dict(ch=32, out_ch=3, ch_mult=(1, 2, 2), num_res_blocks=2, attn_resolutions=[8], in_channels=3, resolution=16)
    net = Model(**a).eval()
    yield "Ho et al. (pesser)", "ho", net, net.state_dict(), [], []


def labml():
    from labml_nn.diffusion.ddpm.unet import UNet

    net = UNet(image_channels=3, n_channels=32, ch_mults=(1, 2, 2), is_attn=(False, True, True), n_blocks=2).eval()
    yield "labml", "labml", net, net.state_dict(), [], []


def cases(count):
    """The cases whose package is installed. Prints which packages are missing."""
    for make in (lambda: openai(count), compvis, ho, labml):
        try:
            yield from make()
        except ModuleNotFoundError as missing:
            print(f"  {missing.name} is not installed: pip install --no-deps {PACKAGES}")

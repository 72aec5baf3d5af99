"""The smooth activations, each as f and f′; `lift` makes their forms.

    z = f(x),   ∂E/∂x = f′(x) · ∂E/∂z        x, z: any shape, the same

Written so that nothing overflows and nothing cancels: exponentials are taken of −|x| only.

Sources: softplus, Dugas et al. 2001; ELU, Clevert et al. 2016; CELU, Barron 2017; SELU, Klambauer et al. 2017;
SiLU, Hendrycks & Gimpel 2016, called Swish by Ramachandran et al. 2017; Mish, Misra 2019.
PyTorch: torch.nn.functional, each of the same name and with the same arguments.
"""

import numpy as np

from underhood.engine.lift import Number, elementwise, shared, where


@shared
def sigma(x: Number) -> Number:
    """σ(x) = 1 / (1 + e⁻ˣ); 1 − σ(x) is σ(−x)."""
    e = np.exp(-abs(x))
    return where(x >= 0, 1.0, e) / (1.0 + e)


def _sigmoid(x: Number) -> Number:
    """1 / (1 + e⁻ˣ)"""
    return sigma(x)


def _sigmoid_slope(x: Number) -> Number:
    """σ′ = σ (1 − σ)"""
    return sigma(x) * sigma(-x)


def _tanh(x: Number) -> Number:
    """tanh x = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)"""
    return np.tanh(x)


def _tanh_slope(x: Number) -> Number:
    """tanh′ = 1 / cosh²; 1 − tanh² would cancel where tanh is near 1."""
    e = np.exp(-2.0 * abs(x))
    return 4.0 * e / ((1.0 + e) * (1.0 + e))


def _softplus(x: Number, beta: float = 1.0, threshold: float = 20.0) -> Number:
    """ln(1 + e^βx) / β, and x itself where βx is above the threshold"""
    y = beta * x
    return where(y > threshold, x, (where(y > 0, y, 0.0) + np.log1p(np.exp(-abs(y)))) / beta)


def _softplus_slope(x: Number, beta: float, threshold: float) -> Number:
    return where(beta * x > threshold, 1.0, sigma(beta * x))


def _logsigmoid(x: Number) -> Number:
    """ln σ(x) = −ln(1 + e⁻ˣ)"""
    return where(x < 0, x, 0.0) - np.log1p(np.exp(-abs(x)))


def _logsigmoid_slope(x: Number) -> Number:
    return sigma(-x)


def _softsign(x: Number) -> Number:
    """x / (1 + |x|)"""
    return x / (1.0 + abs(x))


def _softsign_slope(x: Number) -> Number:
    return 1.0 / ((1.0 + abs(x)) * (1.0 + abs(x)))


def _tanhshrink(x: Number) -> Number:
    """x − tanh x"""
    return x - np.tanh(x)


def _tanhshrink_slope(x: Number) -> Number:
    """tanh² x"""
    return np.tanh(x) * np.tanh(x)


def _silu(x: Number) -> Number:
    """x σ(x)"""
    return x * sigma(x)


def _silu_slope(x: Number) -> Number:
    return sigma(x) * (1.0 + x * sigma(-x))


@shared
def _gate(x: Number) -> Number:
    """tanh(ln(1 + eˣ)) = (e²ˣ + 2eˣ) / (e²ˣ + 2eˣ + 2)"""
    e = np.exp(-abs(x))
    above, rest = where(x >= 0, 1.0 + 2.0 * e, e * e + 2.0 * e), where(x >= 0, 2.0 * e * e, 2.0)
    return above / (above + rest)


def _mish(x: Number) -> Number:
    """x tanh(ln(1 + eˣ))"""
    return x * _gate(x)


def _mish_slope(x: Number) -> Number:
    """w + x (1 − w²) σ(x), where w is the gate"""
    w = _gate(x)
    return w + x * (1.0 - w * w) * sigma(x)


def _elu(x: Number, alpha: float = 1.0) -> Number:
    """x above 0, α (eˣ − 1) below"""
    return where(x > 0, x, alpha * np.expm1(where(x > 0, 0.0, x)))


def _elu_slope(x: Number, alpha: float) -> Number:
    return where(x > 0, 1.0, alpha * np.exp(where(x > 0, 0.0, x)))


def _celu(x: Number, alpha: float = 1.0) -> Number:
    """x above 0, α (e^(x/α) − 1) below: ELU with a slope that never jumps"""
    return where(x > 0, x, alpha * np.expm1(where(x > 0, 0.0, x) / alpha))


def _celu_slope(x: Number, alpha: float) -> Number:
    return where(x > 0, 1.0, np.exp(where(x > 0, 0.0, x) / alpha))


SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


def _selu(x: Number) -> Number:
    """λ x above 0, λ α (eˣ − 1) below, with the λ and α that keep mean 0 and variance 1 from layer to layer"""
    return SELU_SCALE * where(x > 0, x, SELU_ALPHA * np.expm1(where(x > 0, 0.0, x)))


def _selu_slope(x: Number) -> Number:
    return SELU_SCALE * where(x > 0, 1.0, SELU_ALPHA * np.exp(where(x > 0, 0.0, x)))


F = "torch.nn.functional."
sigmoid = elementwise(_sigmoid, _sigmoid_slope, name="sigmoid", reference="torch.sigmoid")
tanh = elementwise(_tanh, _tanh_slope, one_pass=False, name="tanh", reference="torch.tanh")
softplus = elementwise(
    _softplus, _softplus_slope, name="softplus", reference=F + "softplus", settings={"beta": 2.0, "threshold": 3.0}
)
logsigmoid = elementwise(_logsigmoid, _logsigmoid_slope, name="logsigmoid", reference=F + "logsigmoid")
softsign = elementwise(_softsign, _softsign_slope, name="softsign", reference=F + "softsign")
tanhshrink = elementwise(_tanhshrink, _tanhshrink_slope, one_pass=False, name="tanhshrink", reference=F + "tanhshrink")
silu = elementwise(_silu, _silu_slope, inplace=True, name="silu", reference=F + "silu")
mish = elementwise(_mish, _mish_slope, inplace=True, name="mish", reference=F + "mish")
elu = elementwise(_elu, _elu_slope, inplace=True, name="elu", reference=F + "elu", settings={"alpha": 0.7})
celu = elementwise(_celu, _celu_slope, inplace=True, name="celu", reference=F + "celu", settings={"alpha": 0.5})
selu = elementwise(_selu, _selu_slope, inplace=True, name="selu", reference=F + "selu")

"""What happens to the gradients between backward and the optimiser's update: penalties, then clipping.

    g ← g + λ₁ sign(w) + λ₂ w                     the gradient of  λ₁ Σ|w| + λ₂/2 Σw²
    g ← g · min(1, c/(‖g‖ + 1e−6))                clip.norm c;   ‖g‖: the norm of all gradients as one vector
    g ← min(max(g, −c), c), element by element      clip.value c

The penalty is part of what is minimised, so a rule that scales its gradient (Adam) scales the penalty's too; an
optimiser's own weight_decay is the rule's affair. With plain SGD λ₂ and weight_decay do the same. sign(0) = 0.

Sources: Tibshirani 1996 (L1), Hoerl & Kennard 1970 (L2); Pascanu, Mikolov & Bengio 2013 (clipping).
"""

from math import sqrt
from typing import Any

from underhood.training.backends import Backend
from underhood.training.settings import ClipSettings, PenaltySettings


class Gradients:
    """The gradients of one network."""

    def __init__(self, net: Any, back: Backend, penalty: PenaltySettings, clip: ClipSettings) -> None:
        self.back, self.clip = back, clip
        self.l1, self.l2 = penalty.l1, penalty.l2
        self.parameters = list(net.parameters())
        self.penalised = [w for w in self.parameters if penalty.of == "all" or len(w.shape) > 1]
        self.plain = not (self.l1 or self.l2 or clip.norm or clip.value)

    def finish(self, measuring: bool) -> float | None:
        """Penalise and clip; the norm in between, if it is wanted."""
        if self.plain and not measuring:
            return None
        with self.back.no_grad():
            self._penalise()
            if self.clip.norm:
                norm = self.back.nn.utils.clip_grad_norm_(self.parameters, self.clip.norm)
                return float(norm.item()) if measuring else None
            norm = self._norm() if measuring else None
            if self.clip.value:
                self.back.nn.utils.clip_grad_value_(self.parameters, self.clip.value)
            return norm

    def _penalise(self) -> None:
        for w in self.penalised:
            if w.grad is not None:
                if self.l1:
                    w.grad.add_(w.sign(), alpha=self.l1)
                if self.l2:
                    w.grad.add_(w, alpha=self.l2)

    def _norm(self) -> float:
        return sqrt(sum(w.grad.norm().item() ** 2 for w in self.parameters if w.grad is not None))

    def penalty(self) -> float:
        """λ₁ Σ|w| + λ₂/2 Σw² at the weights as they are."""
        with self.back.no_grad():
            l1 = sum(w.abs().sum().item() for w in self.penalised) if self.l1 else 0.0
            l2 = sum((w * w).sum().item() for w in self.penalised) if self.l2 else 0.0
        return float(self.l1 * l1 + self.l2 / 2 * l2)

"""The ten claims of the study concept-claims, a module each, in the order of the sheet."""

from underhood.studies.claims.augmentation import ENTRY as augmentation
from underhood.studies.claims.batch_norm_mean import ENTRY as batch_norm_mean
from underhood.studies.claims.claim import Claim
from underhood.studies.claims.depthwise_separable import ENTRY as depthwise_separable
from underhood.studies.claims.dropout_and_l2 import ENTRY as dropout_and_l2
from underhood.studies.claims.dropout_speed import ENTRY as dropout_speed
from underhood.studies.claims.leaky_relu import ENTRY as leaky_relu
from underhood.studies.claims.own_backward import ENTRY as own_backward
from underhood.studies.claims.shortcuts import ENTRY as shortcuts
from underhood.studies.claims.sparsity import ENTRY as sparsity
from underhood.studies.claims.squeezenet_stages import ENTRY as squeezenet_stages
from underhood.studies.claims.verdicts import Finding, Word

CLAIMS: dict[str, Claim] = {
    claim.name: claim
    for claim in (
        batch_norm_mean,
        own_backward,
        augmentation,
        dropout_speed,
        dropout_and_l2,
        sparsity,
        leaky_relu,
        depthwise_separable,
        squeezenet_stages,
        shortcuts,
    )
}

__all__ = ["CLAIMS", "Claim", "Finding", "Word"]

"""Receptive fields of any network, through branches, skips and upsampling, from the record of one pass."""

from underhood.instruments.cost.receptive_field.along import Along, Seen, stacked
from underhood.instruments.cost.receptive_field.follow import follow
from underhood.instruments.cost.receptive_field.step import Fields

__all__ = ["Along", "Fields", "Seen", "follow", "stacked"]

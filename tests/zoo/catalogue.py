"""All rows of the zoo: ZOO (laws and broken laws) and BAD (inputs to be turned away)."""

from tests.zoo.lawful_rates import ADAPTIVE, CLOSURES, FRACTIONAL, TRUST
from tests.zoo.lawful_styles import DECAY, FACTORIES, MATRICES, SEQUENCES, SIGN, STYLES
from tests.zoo.lawless import BAD, CONFLICTING, HIDDEN
from tests.zoo.row import BadRow, ZooRow

LAWFUL = ADAPTIVE + FRACTIONAL + TRUST + CLOSURES + DECAY + SIGN + MATRICES + STYLES + SEQUENCES + FACTORIES
ZOO = LAWFUL + HIDDEN + CONFLICTING

__all__ = ["BAD", "LAWFUL", "ZOO", "BadRow", "ZooRow"]

"""Every path and method that no other function of the context serves"""

from gpubroker.edge.http import refuse

handler = refuse()

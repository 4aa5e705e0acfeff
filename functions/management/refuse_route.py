"""Every path and method that no other function of the context serves"""

from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import refuse

handler = refuse(errors={"/api/management/integration": SUCCESS_FLAG})

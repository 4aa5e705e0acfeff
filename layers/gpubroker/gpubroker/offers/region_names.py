"""The sites of clouds that name them after airports, streets or numbers: by provider, by canonical region.

Of each provider's own list of regions, as its API or its documentation has it.
"""

SITES: dict[str, dict[str, str]] = {
    "digitalocean": {
        "us-east": "nyc1 nyc2 nyc3 atl1 ric1",
        "us-west": "sfo1 sfo2 sfo3",
        "ca": "tor1",
        "eu-west": "ams2 ams3 lon1",
        "eu-central": "fra1",
        "ap-south": "blr1",
        "ap-southeast": "sgp1",
        "oceania": "syd1",
    },
    "linode": {
        "us-east": "us-mia us-iad us-iad-2",
        "us-central": "us-ord",
        "us-west": "us-lax us-sea",
        "sa": "br-gru",
        "eu-west": "fr-par fr-par-2 es-mad nl-ams gb-lon",
        "eu-central": "de-fra-2 it-mil",
        "eu-north": "se-sto",
        "ap-south": "in-maa in-bom-2",
        "ap-southeast": "id-cgk sg-sin-2",
        "ap-northeast": "jp-osa jp-tyo-3",
        "oceania": "au-mel",
    },
    "scaleway": {
        "eu-west": "fr-par-1 fr-par-2 fr-par-3 nl-ams-1 nl-ams-2 nl-ams-3",
        "eu-central": "pl-waw-1 pl-waw-2 pl-waw-3 it-mil-1",
    },
    "vultr": {
        "us-east": "ewr atl mia",
        "us-central": "ord dfw",
        "us-west": "lax sea sjc hnl",
        "ca": "yto",
        "sa": "sao scl mex",
        "eu-west": "ams cdg lhr mad man",
        "eu-central": "fra waw",
        "eu-north": "sto",
        "me": "tlv",
        "af": "jnb",
        "ap-south": "bom del blr",
        "ap-southeast": "sgp",
        "ap-northeast": "nrt itm icn",
        "oceania": "syd mel",
    },
}

#!/usr/bin/env python3
"""Writes countries.mmdb and countries-flat.mmdb beside itself. Needs `pip install mmdb-writer==0.2.7`.

Documentation networks only (RFC 5737, RFC 3849): no real address has a country here. The first
file is built as GeoIP2 and DB-IP databases are, the second as IPinfo's.
"""

from pathlib import Path
from unittest import mock

from mmdb_writer import MMDBWriter
from netaddr import IPSet

COUNTRIES = {
    "192.0.2.0/24": "SE",
    "198.51.100.0/24": "BR",
    "2001:db8::/32": "JP",
}


def write(name, record):
    writer = MMDBWriter(
        ip_version=6,
        ipv4_compatible=True,
        database_type="Weir-Test-Country",
        languages=["en"],
        description="Test data",
    )
    for network, country in COUNTRIES.items():
        writer.insert_network(IPSet([network]), record(country))
    # The date of the build is part of the file: the same file every time.
    with mock.patch("time.time", return_value=1_760_000_000):
        writer.to_db_file(str(Path(__file__).with_name(name)))


write("countries.mmdb", lambda country: {"country": {"iso_code": country, "geoname_id": 1}})
write("countries-flat.mmdb", lambda country: {"country_code": country, "asn": "AS64496"})

# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the options in module_utils/_argspec.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  host:
    description:
      - Address or name of the meter.
      - Without it the variable C(metering_host) is used, then C(ansible_host) of the inventory host, then its inventory name.
        When the task is delegated, it is still the inventory host that counts.
    type: str
  family:
    description:
      - Family of the meter, which tells by what protocol it is read. V(pm5000) and V(hep) (ION9000, ION9000T, PM8000, ION7400; since
        0.4.0) by Modbus TCP, V(mcs301) (MCS301 and other meters with the same objects) by DLMS/COSEM over TCP.
    type: str
    choices: [pm5000, hep, mcs301]
    default: pm5000
    version_added: 0.3.0
  unit_id:
    description:
      - Modbus unit id of the meter, 1 to 255. Without it 255, the meter itself.
    type: int
  ports:
    description:
      - TCP ports that differ from the documented ones.
    type: dict
    suboptions:
      modbus:
        description: Port of Modbus TCP, 502 unless given.
        type: int
      ftp:
        description: Port of FTP, 21 unless given.
        type: int
      http:
        description: Port of HTTP, 80 unless given.
        type: int
      https:
        description: Port of HTTPS, 443 unless given.
        type: int
      ssh:
        description: Port of SFTP and SSH of family V(hep), 22 unless given.
        type: int
        version_added: 0.4.0
      telnet:
        description: Port of Telnet of family V(hep) with old firmware, 23 unless given.
        type: int
        version_added: 0.4.0
      ion:
        description: Port of ION of family V(hep), 7700 unless given. It gets a TCP connect and never a byte.
        type: int
        version_added: 0.4.0
      ion_tls:
        description: Port of ION over TLS of family V(hep), 7443 unless given. It gets a TLS handshake and nothing more.
        type: int
        version_added: 0.4.0
      rtu_tcp:
        description: Port of Modbus RTU over TCP of family V(hep), 7701 unless given. It gets a TCP connect and never a byte.
        type: int
        version_added: 0.4.0
      dnp:
        description: Port of DNP3 of family V(hep), 20000 unless given. It gets a TCP connect and never a byte.
        type: int
        version_added: 0.4.0
      dlms:
        description: Port of DLMS/COSEM over TCP, 4059 unless given.
        type: int
        version_added: 0.3.0
  tls:
    description:
      - How the certificate of the meter's webpages is judged. Without it by the system's certificate authorities.
    type: dict
    version_added: 0.2.0
    suboptions:
      ca_file:
        description: File with the certificate authorities to trust, in PEM form. On a jump host it must lie there.
        type: path
      fingerprint:
        description:
          - SHA-256 of the one certificate to trust, 64 hexadecimal digits. The usual way with a self-signed certificate.
        type: str
      legacy:
        description: Allow versions, ciphers and keys that are out of date, with this meter only. It is reported as a finding.
        type: bool
  timeouts:
    description:
      - Time limits in seconds of real time.
    type: dict
    suboptions:
      connect:
        description: For opening one connection, 5 unless given.
        type: float
      read:
        description: For one answer, 5 unless given.
        type: float
  gateway:
    description:
      - Name of the gateway or line the meter shares with others. Meters of one gateway are read one after another.
    type: str
  credentials:
    description:
      - Accounts of the meter by role, for example C(product_master), each with C(user) and C(password).
      - Take the values from a vault. Reading facts needs none.
    type: dict
  dlms:
    description:
      - How to associate with a meter of family V(mcs301). Other families ignore it.
    type: dict
    version_added: 0.3.0
    suboptions:
      client:
        description: Service access point of this client. Without it 1 (management), or the public one when no authentication is used.
        type: int
      server:
        description: Service access point of the meter's logical device, 1 unless given.
        type: int
      authentication:
        description:
          - V(hls_gmac) proves the keys without sending them. V(lls) sends the password of O(dlms_keys) in clear, so it is used only
            when it is named here. V(none) is for the public client.
          - Without it V(hls_gmac) when O(dlms_keys) has C(guek) and C(gak), else V(none).
        type: str
        choices: [none, lls, hls_gmac]
      protection:
        description:
          - How requests are protected. Answers with less protection than the request are refused.
          - Without it V(authenticated_encrypted) for V(hls_gmac), else V(none).
        type: str
        choices: [none, authenticated, encrypted, authenticated_encrypted]
      general_ciphering:
        description: Send general-glo-ciphering in place of the form of each service.
        type: bool
      security_suite:
        description: Security suite. Only 0 is supported.
        type: int
      system_title:
        description: System title of this client, 16 hexadecimal digits. The meter must know it. Needed for keys.
        type: str
      meter_title:
        description: System title that the meter must have, 16 hexadecimal digits. Without it any is accepted that proves the keys.
        type: str
      max_pdu:
        description: Largest APDU in octets that this client accepts, 1224 unless given.
        type: int
      public_client:
        description: Service access point of the public client, 16 unless given. The invocation counter is read with it.
        type: int
  dlms_keys:
    description:
      - Secrets of the client in O(dlms). C(guek), C(gak), C(gbek) and C(kek) are 32 hexadecimal digits each, C(lls) is a password as text,
        or its octets as C(hex:) and hexadecimal digits.
      - Take the values from a vault. Reading needs C(guek) and C(gak) with V(hls_gmac), C(lls) with V(lls), and none with V(none).
    type: dict
    version_added: 0.3.0
  sealed:
    description:
      - Used by the collection itself, to hand secrets to a jump host as one opaque value. Do not set it.
    type: str
notes:
  - Every option not given to the task is taken from the variable C(metering_<option>) of the inventory, if that is set.
"""

    ATTEST = r"""
options:
  attest:
    description:
      - What an operator has seen at the meter and no wire can tell. It fills a gap, and never overrides what was read.
    type: dict
    suboptions:
      ip_mode:
        description: How the meter gets its address.
        type: str
        choices: [stored, dhcp, bootp, default]
      mid_lock:
        description: State of the MID or MIR lock.
        type: str
        choices: [locked, unlocked]
      attempts_used:
        description: Number of upgrade attempts that the meter has already spent.
        type: int
      power_source:
        description: How control power is kept up, for example C(uninterrupted).
        type: str
      critical_control:
        description: Whether the meter controls something critical.
        type: bool
      digital_outputs_in_use:
        description: Whether digital outputs are wired and used.
        type: bool
      outputs_safe:
        description: Whether what hangs on the digital outputs has been brought into a safe state.
        type: bool
      management_zone:
        description: The protected network from which the meter is managed.
        type: str
      replaces:
        description:
          - Serial number of the meter that was here before, and that this one replaces. Needed once, where that one was lost in an upgrade.
        type: str
        version_added: 0.2.0
      recovered:
        description:
          - Whether a person followed the recovery advice after an upgrade by webpages ended badly, and the meter starts and answers.
        type: bool
        version_added: 0.2.0
      icmp:
        description: Whether the meter answers ping from the computer of the maker's tool.
        type: bool
        version_added: 0.2.0
      same_subnet:
        description: Whether that computer is in the meter's subnet.
        type: bool
        version_added: 0.2.0
      direct_connection:
        description: Whether that computer and the meter are connected by one cable, as tools before 3.8 need it.
        type: bool
        version_added: 0.2.0
      read_connections:
        description: How many TCP connections read the meter. At most eight are supported during an upgrade.
        type: int
        version_added: 0.2.0
      tool_not_started:
        description:
          - Whether a technician says that the tool was never started for a meter that was handed over. The hand-over then counts as no
            attempt. With C(at) it holds for hand-overs from before that time only.
        type: bool
        version_added: 0.2.0
      consumers_reviewed:
        description: Whether somebody read what the maker says of Power Monitoring Expert and ION Setup before a HEP meter is upgraded.
        type: bool
        version_added: 0.4.0
      registers_saved:
        description: Whether somebody noted down template and energy registers of a HEP meter that tells neither.
        type: bool
        version_added: 0.4.0
      security_mode:
        description: Security mode of a meter of family V(hep), as its display or the maker's tool shows it.
        type: str
        choices: [none, standard, advanced, legacy_support]
        version_added: 0.4.0
      revenue_lock:
        description: Whether a meter of family V(hep) is revenue-locked.
        type: str
        choices: [locked, unlocked]
        version_added: 0.4.0
      seals:
        description: Numbers of the anti-tamper seals on the meter, and when they were put there.
        type: str
        version_added: 0.4.0
      by:
        description: Who attests it.
        type: str
      at:
        description: When it was seen, in ISO 8601.
        type: str
"""

"""CIM AccountingPoint 1.04: what the schema allows, read as it is meant. Needs ../shared."""

from pathlib import Path

import pytest
from lxml import etree

from meterhall.formats.cim.accounting_points import NAMESPACE, AccountingPoint, read_accounting_points

FOLDER = Path(__file__).parents[3] / "shared" / "standards" / "cim" / "xsd" / "v1_04" / "ap"
PARTY = "<codingScheme>A10</codingScheme><value>9520000000004</value>"
HEAD = f"""<AccountingPoint_Envelope xmlns="{NAMESPACE}"><MessageDocumentHeader>
<creationDateTime>2026-03-01T00:00:00Z</creationDateTime><MessageDocumentHeader_MetaInformation>
<connectionid>1</connectionid><permissionid>2</permissionid><dataNeedid>3</dataNeedid><dataType>accounting-point</dataType>
<MessageDocumentHeader_Region><connector>x</connector><country>AT</country></MessageDocumentHeader_Region>
</MessageDocumentHeader_MetaInformation></MessageDocumentHeader><AccountingPoint_MarketDocument><mRID>1</mRID>
<revisionNumber>104</revisionNumber><type>A14</type><createdDateTime>2026-03-01T00:00:00Z</createdDateTime>
<sender_MarketParticipant.mRID>{PARTY}</sender_MarketParticipant.mRID>
<sender_MarketParticipant.marketRole.type>A26</sender_MarketParticipant.marketRole.type>
<receiver_MarketParticipant.mRID>{PARTY}</receiver_MarketParticipant.mRID>
<receiver_MarketParticipant.marketRole.type>A13</receiver_MarketParticipant.marketRole.type><AccountingPointList>"""
FULL = """<AccountingPoint><mRID><codingScheme>NAT</codingScheme><value>AT0031000000000000000000000123456</value></mRID>
<commodity>2</commodity><loadProfileType>H0</loadProfileType><ContractPartyList><ContractParty>
<contractPartyRole>contractPartner</contractPartyRole><surName>Muster</surName></ContractParty></ContractPartyList>
<AddressList><Address><addressRole>delivery</addressRole><postalCode>8010</postalCode><cityName>Graz</cityName>
<streetName>Am Platz</streetName><buildingNumber>3</buildingNumber><doorNumber>12</doorNumber></Address></AddressList>
</AccountingPoint>"""
BARE = """<AccountingPoint><mRID><codingScheme>A10</codingScheme><value>952056000000000018</value></mRID>
<ContractPartyList/><AddressList/></AccountingPoint>"""
TAIL = "</AccountingPointList></AccountingPoint_MarketDocument></AccountingPoint_Envelope>"


def test_what_the_schema_allows_is_read() -> None:
    if not FOLDER.is_dir():
        pytest.skip("../shared with the schema is not here")
    document = (HEAD + FULL + BARE + TAIL).encode()
    etree.XMLSchema(etree.parse(next(FOLDER.glob("*.xsd")))).assertValid(etree.fromstring(document))
    full = AccountingPoint(
        "/AccountingPoint/0", "AT0031000000000000000000000123456", "AT", "8010", "Graz", "Am Platz 3 12", "H0", True
    )
    bare = AccountingPoint("/AccountingPoint/1", "952056000000000018", None, "", "", "", "", False)
    assert list(read_accounting_points(document)) == [full, bare]

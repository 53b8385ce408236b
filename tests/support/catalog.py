"""A small catalogue for tests: two offices, a town, one library, an agreement that is renewed."""

from collections.abc import Mapping

from auditsvc.catalog.load import load_catalog
from auditsvc.catalog.model import Catalog
from auditsvc.catalog.uscc import build_check_character
from auditsvc.ground.document import build_bundle


def build_uscc(number: int, prefix: str = "11371200") -> str:
    """Return a synthetic code with a valid check character."""
    body = f"{prefix}TEST{number:05d}".replace("S", "5")
    return body + build_check_character(body)


POLICE, CIVIL, TOWN, SHOP = (build_uscc(number) for number in range(1, 5))

SMALL = f"""\
city:
  name: {{zh: 示例市, en: Example City}}
  zone: Asia/Shanghai
organisations:
- {{uscc: {POLICE}, name: {{zh: 甲局, en: Office A}}, level: city, division: "371200", from: 2018-01-01}}
- {{uscc: {CIVIL}, name: {{zh: 乙局, en: Office B}}, level: city, division: "371200", from: 2018-01-01}}
- {{uscc: {TOWN}, name: {{zh: 丙镇, en: Town C}}, level: town, division: "371202100", from: 2018-01-01, until: 2026-07-01}}
- {{uscc: {TOWN}, name: {{zh: 丙镇, en: Town C}}, level: district, division: "371202", from: 2026-07-01}}
resources:
- code: 101001/000001
  name: {{zh: 人口, en: Population}}
  category: 基础类/人口
  provider: {POLICE}
  summary: {{zh: 人口, en: population}}
  format: 数据库
  items:
  - {{name: name, type: C, title: {{zh: 姓名, en: name}}}}
  - {{name: address, type: C, title: {{zh: 住址, en: address}}}}
  share_type: conditional
  share_condition: {{zh: 须签协议, en: By agreement}}
  share_method: interface
  open_type: closed
  update_cycle: real_time
  published: 2018-01-01
  library: population
  sensitivity: 3
  personal: true
  project: P-POP
  from: 2018-01-01
- code: 301001/000001
  name: {{zh: 目录, en: Catalogue}}
  category: 部门类
  provider: {POLICE}
  summary: {{zh: 目录, en: catalogue}}
  format: 网页
  items:
  - {{name: code, type: C, title: {{zh: 代码, en: code}}}}
  share_type: unconditional
  share_method: platform
  open_type: open
  update_cycle: daily
  published: 2018-01-01
  related: [101001/000001]
  library: department
  sensitivity: 1
  personal: false
  from: 2018-01-01
interfaces:
- id: pop-query
  name: {{zh: 人口查询, en: Population query}}
  protocol: rest
  resources: [101001/000001]
  provider: {POLICE}
  provider_system: population
  network: extranet
  domain: administrative_service
  project: P-POP
  sources: [gateway]
  expected_log: {{first_hour: 8, last_hour: 17, days: [mon, tue, wed, thu, fri]}}
  from: 2018-01-01
- id: both
  name: {{zh: 合并查询, en: Joint query}}
  protocol: rest
  resources: [301001/000001, 101001/000001]
  provider: {POLICE}
  network: intranet
  sources: [gateway]
  from: 2018-01-01
- id: methods
  name: {{zh: 服务清单, en: Service list}}
  protocol: rest
  provider: {POLICE}
  network: extranet
  sources: [gateway, second]
  traffic: metadata
  expected_log: none
  from: 2018-01-01
agreements:
- id: AG-1
  consumer: {CIVIL}
  resources: [101001/000001]
  share_type: conditional
  purposes: [relief-review]
  matters: [M-1]
  fields: [name, address]
  max_rows: 100
  legal_basis: 示例条例
  from: 2026-01-01
  until: 2026-06-01
- id: AG-1
  consumer: {CIVIL}
  resources: [101001/000001]
  share_type: conditional
  purposes: [relief-review]
  fields: [name]
  legal_basis: 示例条例
  from: 2026-06-01
  until: 2027-01-01
matters:
- {{code: M-1, title: {{zh: 救助, en: Relief}}}}
projects:
- id: P-POP
  name: {{zh: 人口库, en: Population library}}
  system: {{zh: 基础库, en: Base libraries}}
  owner: {POLICE}
  builder: {CIVIL}
  approval_no: 示例一号
  budget: 1000000.00
  contract: 900000.5
  spent: 950000
  opex_by_year: {{"2026": 80000.00}}
  life_years: 8
  start: 2017-01-01
  go_live_plan: 2018-06-30
  go_live_actual: 2018-07-15
  accepted_at: 2018-12-01
  targets:
  - {{indicator: I-01, op: gte, value: 99.5, unit: "%", by: 2026-12-31}}
  interfaces: [pop-query]
  resources: [101001/000001]
  consumers: [{CIVIL}]
  matters: [M-1]
  milestones:
  - {{id: M-1, title: {{zh: 建成, en: Completed}}, due: 2018-06-30, actual: 2018-07-15, interfaces: [pop-query]}}
  - {{id: M-2, title: {{zh: 推广, en: Rolled out}}, due: 2018-12-31}}
  sla: {{availability: 99.5, p95_ms: 500, start_hour: 8, end_hour: 18}}
sources:
- id: gateway
  title: {{zh: 网关, en: Gateway}}
  reader: native
  defaults: {{network: extranet, rows: 1}}
- id: second
  title: {{zh: 二号, en: Second}}
  reader: combined
  encoding: gb18030
  options: {{default_interface: methods}}
"""


def load_texts(files: Mapping[str, str]) -> Catalog:
    """Return the catalogue of these documents."""
    return load_catalog(build_bundle(files))


def load_small() -> Catalog:
    """Return the small catalogue."""
    return load_texts({"catalog.yaml": SMALL})

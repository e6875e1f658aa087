"""Reports that say for which items of a framework the results give evidence. They never claim that anything conforms."""

from veritensor_ray.exports.report.compliance.compliance_document import ComplianceDocument, Item, compliance
from veritensor_ray.exports.report.compliance.frameworks import FRAMEWORKS
from veritensor_ray.exports.report.compliance.rendering import RENDERERS, render

__all__ = ["FRAMEWORKS", "RENDERERS", "ComplianceDocument", "Item", "compliance", "render"]

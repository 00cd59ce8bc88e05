// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "lb/inspection.h"
#include "registry-sync/parse_authorization.h"
#include "registry-sync/parse_http_values.h"
#include "registry-sync/parse_kinds.h"

namespace weft::registry {
namespace {

using lb::Signature;

constexpr size_t kMostInPolicy = 2048;
constexpr size_t kMostSignatureName = 63;
constexpr int64_t kMostBodyBytes = int64_t{64} << 20;

Signature::Part parse_part(Fields& signature, Signature::Message message) {
  const std::string part = signature.required_word("part", {"Target", "Header", "Body"});
  if (part == "Target" && message == Signature::Message::response) {
    signature.error("part", "a response has no target: expected Header or Body");
  }
  return part == "Header" ? Signature::Part::header : part == "Body" ? Signature::Part::body : Signature::Part::target;
}

void parse_text(Fields& fields, Signature& signature) {
  const bool is_literal = fields.has("literal");
  signature.is_expression = fields.has("regex");
  const std::string literal = fields.string("literal").value_or("");
  const std::string regex = fields.string("regex").value_or("");
  if (is_literal == signature.is_expression) {
    return fields.error("literal", is_literal ? "expected one of literal or regex, got both"
                                              : "expected a literal or a regex to look for");
  }
  signature.text = is_literal ? literal : regex;
  if (const std::string problem = lb::signature_problem(signature); !problem.empty()) {
    fields.error(is_literal ? "literal" : "regex", "signature " + in_quotes(signature.name) + ": " + problem);
  }
}

Signature parse_signature(Fields& fields) {
  Signature signature;
  signature.name = fields.required_string("name");
  check_length(fields, "name", signature.name, kMostSignatureName);
  check_subdomain(fields, "name", signature.name);
  const std::string of = fields.word("of", {"Request", "Response"}).value_or("Request");
  signature.message = of == "Response" ? Signature::Message::response : Signature::Message::request;
  signature.part = parse_part(fields, signature.message);
  signature.ignores_case = fields.boolean("ignoreCase").value_or(false);
  signature.header = in_lower_case(fields.string("header").value_or(""));
  if (fields.has("header")) {
    check_field_name(fields, "header", signature.header);
    if (signature.header.empty()) {
      fields.error("header", "expected the name of a field, got \"\"");
    }
    if (signature.part != Signature::Part::header) {
      fields.error("header", "it is for signatures of part Header alone");
    }
  }
  const std::string action = fields.word("action", {"Deny", "Log", "Count"}).value_or("Deny");
  signature.action = action == "Log"     ? Signature::Action::log
                     : action == "Count" ? Signature::Action::count
                                         : Signature::Action::deny;
  parse_text(fields, signature);
  fields.finish();
  return signature;
}

}  // namespace

void parse_inspection_policy(Fields& document, ResourceSet& resources) {
  ParsedMetadata parsed = parse_metadata(document, check_subdomain, "");
  InspectionPolicy policy{.metadata = std::move(parsed.metadata), .services = {}, .labels = {}, .rules = {}};
  policy.rules.policy = policy.metadata.key();
  Fields spec = document.required_mapping("spec");
  parse_policy_targets(spec, policy.metadata.name_space, policy.services, policy.labels);
  policy.rules.dry_run = spec.word("mode", {"Enforce", "DryRun"}).value_or("Enforce") == "DryRun";
  policy.rules.body_bytes = static_cast<uint64_t>(
      spec.integer("bodyBytes", 1, kMostBodyBytes).value_or(int64_t{lb::InspectionRules::kBodyBytes}));
  policy.rules.denies_unseen = spec.word("unseen", {"Pass", "Deny"}).value_or("Pass") == "Deny";
  std::vector<Fields> signatures = spec.required_mappings("signatures");
  check_count(spec, "signatures", signatures.size(), kMostInPolicy);
  std::set<std::string> names;
  for (Fields& each : signatures) {
    Signature signature = parse_signature(each);
    if (!signature.name.empty() && !names.insert(signature.name).second) {
      each.error("name", "duplicate signature " + in_quotes(signature.name));
    }
    policy.rules.signatures.push_back(std::move(signature));
  }
  const auto denies = [](const Signature& signature) { return signature.action == Signature::Action::deny; };
  if (policy.rules.dry_run && !signatures.empty() &&
      std::none_of(policy.rules.signatures.begin(), policy.rules.signatures.end(), denies)) {
    spec.error("mode", "a dry run of signatures none of which denies says nothing");
  }
  spec.finish();
  document.ignore({"status"});
  document.finish();
  resources.inspections.push_back(std::make_shared<const InspectionPolicy>(std::move(policy)));
}

}  // namespace weft::registry

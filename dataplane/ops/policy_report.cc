// SPDX-License-Identifier: Apache-2.0
#include "ops/policy_report.h"

#include "lb/authorization.h"
#include "lb/caller_table.h"
#include "registry-sync/diagnostic.h"

namespace weft::ops {

std::string told(const lb::Service& service, const lb::Judgement& judgement) {
  const lb::Authorization& authorization = *service.authorization;
  const bool is_named = judgement.policy != lb::Judgement::kNone;
  if (judgement.denied) {
    return is_named ? "denied by " + authorization.describe(judgement) : "denied: no ALLOW policy matches";
  }
  return is_named ? "allowed by " + authorization.describe(judgement)
                  : "allowed: no policy denies it, and there is no ALLOW policy";
}

void add_judgement(Json& answer, const lb::Snapshot& snapshot, const lb::Service& service,
                   const std::optional<lb::Address>& client, const lb::Judgement& judgement) {
  const lb::Caller* const caller = client ? snapshot.callers().find(*client) : nullptr;
  answer["caller"] = caller != nullptr ? registry::listed(caller->principals, " and ")
                     : client          ? "nobody is known at its address"
                                       : "nobody: say from <address>";
  answer["access"] = told(service, judgement);
  if (judgement.dry_run_denied) {
    const bool is_named = judgement.dry_run_policy != lb::Judgement::kNone;
    answer["access_dry_run"] = is_named ? "would be denied by " + service.authorization->describe_dry_run(judgement)
                                        : "would be denied: no ALLOW policy matches";
  }
}

}  // namespace weft::ops

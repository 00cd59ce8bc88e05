// SPDX-License-Identifier: Apache-2.0
/// @file What an operator is told of policies of access: which of them decides, and what a dry run would.
#pragma once

#include <optional>

#include "lb/snapshot.h"
#include "ops/render.h"

namespace weft::ops {

/// Of a judgement by the service's policies: "allowed by shop/web, rule 0".
std::string told(const lb::Service& service, const lb::Judgement& judgement);

/// Adds who the client is, what was decided, and what policies of a dry run would have changed.
/// Precondition: the service has policies.
void add_judgement(Json& answer, const lb::Snapshot& snapshot, const lb::Service& service,
                   const std::optional<lb::Address>& client, const lb::Judgement& judgement);

}  // namespace weft::ops

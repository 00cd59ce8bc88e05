// SPDX-License-Identifier: Apache-2.0
#include "ops/fault_report.h"

#include <fmt/format.h>

namespace weft::ops {

std::string faults_met(const lb::Service& service, const lb::Service& backend, const lb::FaultScope& scope) {
  std::string names;
  for (const lb::Service* each : {&service, &service == &backend ? nullptr : &backend}) {
    if (each == nullptr || each->faults == nullptr) {
      continue;
    }
    for (const lb::Fault& fault : *each->faults) {
      if (lb::is_about(fault, scope)) {
        names += fmt::format("{}{} ({}, of {})", names.empty() ? "" : "; ", fault.name, lb::describe(fault),
                             lb::percent(fault.share));
      }
    }
  }
  return names;
}

}  // namespace weft::ops

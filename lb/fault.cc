// SPDX-License-Identifier: Apache-2.0
#include "lb/fault.h"

#include <algorithm>

#include "lb/authorization_match.h"
#include "lb/http_choice.h"

namespace weft::lb {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;  // in ns

/// That it is still in force, rounded up.
uint64_t left_ms(const Fault& fault, uint64_t now_ns) {
  if (fault.until_ns == 0) {
    return UINT64_MAX;
  }
  return fault.until_ns <= now_ns ? 0 : (fault.until_ns - now_ns + kMillisecond - 1) / kMillisecond;
}

std::string in_time(uint32_t ms) {
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + "s" : std::to_string(ms) + "ms";
}

}  // namespace

uint64_t Fault::burst_bits() const {
  constexpr uint64_t kJumbo = 10'240 * 8;
  return std::max(bits_per_second / 20, kJumbo);
}

bool is_over(const Fault& fault, uint64_t now_ns) {
  return fault.until_ns != 0 && now_ns >= fault.until_ns;
}

bool is_about(const Fault& fault, const FaultScope& scope) {
  if (is_over(fault, scope.now_ns) || (!fault.route.empty() && fault.route != scope.route)) {
    return false;
  }
  if (!fault.headers.empty() && scope.request == nullptr) {
    return false;
  }
  return (fault.from.empty() ||
          std::any_of(fault.from.begin(), fault.from.end(),
                      [&](const AuthorizationSource& each) { return holds(each, scope.client, scope.caller); })) &&
         std::all_of(fault.headers.begin(), fault.headers.end(), [&](const FaultHeader& each) {
           return holds_of_header(each.value, each.name, scope.request->fields);
         });
}

bool is_hit(const Fault& fault, uint64_t random) {
  return scaled(random, Fault::kWhole) < fault.share;
}

bool is_hit_flow(const Fault& fault, uint64_t hash) {
  return fault.share >= Fault::kWhole || is_hit(fault, SplitMix64::mixed(hash ^ SplitMix64::mixed(fault.id)));
}

bool has_killed(const Fault& fault, const Address& endpoint) {
  return fault.kills && (!fault.killed || *fault.killed == endpoint);
}

const Fault* find_fault(const Faults* faults, uint64_t id) {
  if (faults == nullptr) {
    return nullptr;
  }
  const auto at = std::find_if(faults->begin(), faults->end(), [id](const Fault& each) { return each.id == id; });
  return at == faults->end() ? nullptr : &*at;
}

void Injection::add(const Faults& faults, const FaultScope& scope, SplitMix64& random) {
  for (const Fault& fault : faults) {
    const bool can_abort = fault.resets || (fault.abort_status != 0 && scope.request != nullptr);
    if ((!fault.delay && !can_abort) || !is_about(fault, scope) || !is_hit(fault, random())) {
      continue;
    }
    if (fault.delay) {
      const uint64_t spread = uint64_t{fault.delay->most_ms} - fault.delay->least_ms;
      const uint64_t drawn = fault.delay->least_ms + (spread == 0 ? 0 : scaled(random(), spread + 1));
      const uint32_t more = static_cast<uint32_t>(
          std::min({drawn, left_ms(fault, scope.now_ns + delay_ms * kMillisecond), uint64_t{kMostDelay} - delay_ms}));
      delay_ms += more;
      delayed_by = delayed_by == nullptr && more > 0 ? &fault : delayed_by;
    }
    if (can_abort && aborted_by == nullptr) {
      aborted_by = &fault;
    }
  }
}

const Fault* killer_of(const Faults& faults, const FaultScope& scope, const Address& endpoint, SplitMix64& random) {
  for (const Fault& fault : faults) {
    if (has_killed(fault, endpoint) && is_about(fault, scope) && is_hit(fault, random())) {
      return &fault;
    }
  }
  return nullptr;
}

std::string describe(const Fault& fault) {
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (fault.delay) {
    const bool fixed = fault.delay->least_ms == fault.delay->most_ms;
    add("delay " + in_time(fault.delay->least_ms) + (fixed ? "" : " to " + in_time(fault.delay->most_ms)));
  }
  if (fault.abort_status != 0) {
    add("abort " + std::to_string(fault.abort_status));
  }
  if (fault.resets) {
    add("reset");
  }
  if (fault.loss > 0) {
    add("loss " + percent(fault.loss));
  }
  if (fault.bits_per_second > 0) {
    add("bandwidth " + std::to_string(fault.bits_per_second) + " bit/s");
  }
  if (fault.kills) {
    add(fault.killed ? "dead " + to_string(*fault.killed) : "dead");
  }
  return text;
}

std::string percent(uint32_t share) {
  std::string text = std::to_string(share / 100);
  if (share % 100 != 0) {
    const std::string digits = std::to_string(100 + share % 100).substr(1);
    text += "." + (digits.back() == '0' ? digits.substr(0, 1) : digits);
  }
  return text + "%";
}

}  // namespace weft::lb

// SPDX-License-Identifier: Apache-2.0
#include "lb/outlier.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "lb/http_policy.h"

namespace weft::lb {
namespace {

using Phase = OutlierBoard::State::Phase;

/// An endpoint's word: until when, of which service, how often, and what it is now.
struct OutlierWord {
  uint32_t until = 0;
  uint16_t service = 0;
  uint8_t times = 0;
  Phase phase = Phase::in_service;

  static OutlierWord of(uint64_t word) {
    return {static_cast<uint32_t>(word), static_cast<uint16_t>(word >> 32), static_cast<uint8_t>(word >> 48),
            static_cast<Phase>(word >> 56)};
  }
  uint64_t packed() const {
    return until | uint64_t{service} << 32 | uint64_t{times} << 48 | uint64_t{static_cast<uint8_t>(phase)} << 56;
  }
};

bool is_past(uint32_t time, uint32_t now) {
  return static_cast<int32_t>(now - time) >= 0;
}

uint32_t ejection_end(const OutlierPolicy& policy, uint32_t times, uint32_t now) {
  const int64_t most = std::max(policy.base_ejection.count(), policy.max_ejection.count());
  return now + static_cast<uint32_t>(std::min<int64_t>(policy.base_ejection.count() * times, most));
}

bool is_gateway_error(uint16_t status) {
  return status >= 502 && status <= 504;
}

/// One more in a row. @returns whether that is enough; then the row begins anew
bool is_enough(std::atomic<uint32_t>& in_row, uint32_t threshold) {
  if (threshold == 0 || in_row.fetch_add(1, std::memory_order_relaxed) + 1 < threshold) {
    return false;
  }
  in_row.store(0, std::memory_order_relaxed);
  return true;
}

/// Most often nothing is to be ended, and nothing is written.
void end_row(std::atomic<uint32_t>& in_row) {
  if (in_row.load(std::memory_order_relaxed) != 0) {
    in_row.store(0, std::memory_order_relaxed);
  }
}

void add_one(std::atomic<uint32_t>& tally) {
  tally.store(tally.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

std::string_view to_string(Ejection ejection) {
  static constexpr std::array<std::string_view, kEjections> kNames = {
      "none", "consecutive_5xx", "consecutive_gateway", "consecutive_local", "success_rate", "probe"};
  return kNames[static_cast<size_t>(ejection)];
}

OutlierBoard::OutlierBoard(uint32_t services, uint32_t endpoints, uint32_t workers)
    : endpoints_(endpoints), ejected_(services), judged_(endpoints), interval_began_(services) {
  for (uint32_t worker = 0; worker < workers; ++worker) {
    tallies_.emplace_back(endpoints);
  }
}

bool OutlierBoard::is_panic(const Service& service, const OutlierPolicy& policy) const {
  const uint64_t hosts = service.targets.size();
  const uint64_t out = std::min<uint64_t>(ejected(service.slot), hosts);
  return (hosts - out) * 100 < policy.min_health_percent * hosts;
}

OutlierBoard::Leave OutlierBoard::leave_for(uint32_t endpoint, uint32_t now) {
  std::atomic<uint64_t>& at = endpoints_[endpoint].word;
  uint64_t before = at.load(std::memory_order_relaxed);
  OutlierWord word = OutlierWord::of(before);
  if (word.phase == Phase::in_service) {
    return Leave::yes;
  }
  if (word.phase == Phase::on_trial || !is_past(word.until, now)) {
    return Leave::no;
  }
  word.phase = Phase::on_trial;
  return at.compare_exchange_strong(before, word.packed(), std::memory_order_relaxed) ? Leave::as_probe : Leave::no;
}

OutlierBoard::Reported OutlierBoard::report(uint32_t worker, uint32_t service, uint32_t hosts, uint32_t endpoint,
                                            const OutlierPolicy& policy, const Outcome& outcome, uint32_t now) {
  Endpoint& at = endpoints_[endpoint];
  const bool is_failure = outcome.is_local || outcome.status >= 500;
  if (outcome.was_probe) {
    return end_trial(endpoint, policy, is_failure, now);
  }
  if (policy.split_local_origin && outcome.is_local) {
    return is_enough(at.in_row_local, policy.consecutive_local)
               ? eject(service, hosts, endpoint, policy, Ejection::consecutive_local, now)
               : Reported{};
  }
  if (policy.success_rate.stdev_factor_permille > 0) {
    Tally& tally = tallies_[worker][endpoint];
    add_one(tally.all);
    if (!is_failure) {
      add_one(tally.good);
    }
  }
  end_row(at.in_row_local);
  if (!is_failure) {
    end_row(at.in_row_5xx);
    end_row(at.in_row_gateway);
    return {};
  }
  Ejection why = Ejection::none;
  if (!is_gateway_error(outcome.status)) {
    end_row(at.in_row_gateway);
  } else if (is_enough(at.in_row_gateway, policy.consecutive_gateway)) {
    why = Ejection::consecutive_gateway;
  }
  if (is_enough(at.in_row_5xx, policy.consecutive_5xx) && why == Ejection::none) {
    why = Ejection::consecutive_5xx;
  }
  return why == Ejection::none ? Reported{} : eject(service, hosts, endpoint, policy, why, now);
}

OutlierBoard::Reported OutlierBoard::eject(uint32_t service, uint32_t hosts, uint32_t endpoint,
                                           const OutlierPolicy& policy, Ejection why, uint32_t now) {
  std::atomic<uint64_t>& at = endpoints_[endpoint].word;
  uint64_t before = at.load(std::memory_order_relaxed);
  OutlierWord word = OutlierWord::of(before);
  if (word.phase != Phase::in_service) {
    return {};
  }
  uint32_t out = ejected_[service].load(std::memory_order_relaxed);
  do {
    if (uint64_t{out} * 100 >= uint64_t{policy.max_ejection_percent} * hosts) {
      return {.held_back = why};
    }
  } while (!ejected_[service].compare_exchange_weak(out, out + 1, std::memory_order_relaxed));
  word.times = static_cast<uint8_t>(std::min(word.times + 1, 255));
  word.service = static_cast<uint16_t>(service);
  word.phase = Phase::ejected;
  word.until = ejection_end(policy, word.times, now);
  if (!at.compare_exchange_strong(before, word.packed(), std::memory_order_relaxed)) {  // another worker's the honour
    ejected_[service].fetch_sub(1, std::memory_order_relaxed);
    return {};
  }
  all_ejected_.fetch_add(1, std::memory_order_relaxed);
  endpoints_[endpoint].why.store(why, std::memory_order_relaxed);
  return {.ejected = why};
}

OutlierBoard::Reported OutlierBoard::end_trial(uint32_t endpoint, const OutlierPolicy& policy, bool is_failure,
                                               uint32_t now) {
  std::atomic<uint64_t>& at = endpoints_[endpoint].word;
  uint64_t before = at.load(std::memory_order_relaxed);
  OutlierWord word = OutlierWord::of(before);
  if (word.phase != Phase::on_trial) {
    return {};  // it was forgotten meanwhile
  }
  if (!is_failure) {
    clear(endpoint, before);
    return {};
  }
  word.times = static_cast<uint8_t>(std::min(word.times + 1, 255));
  word.phase = Phase::ejected;
  word.until = ejection_end(policy, word.times, now);
  if (!at.compare_exchange_strong(before, word.packed(), std::memory_order_relaxed)) {
    return {};
  }
  endpoints_[endpoint].why.store(Ejection::probe, std::memory_order_relaxed);
  return {.ejected = Ejection::probe};
}

/// It is in service again; how often it was not stays known.
void OutlierBoard::clear(uint32_t endpoint, uint64_t before) {
  OutlierWord word = OutlierWord::of(before);
  const uint32_t service = word.service;
  begin_anew(endpoints_[endpoint]);
  word = {.times = word.times};
  if (endpoints_[endpoint].word.compare_exchange_strong(before, word.packed(), std::memory_order_relaxed)) {
    ejected_[service].fetch_sub(1, std::memory_order_relaxed);
    all_ejected_.fetch_sub(1, std::memory_order_relaxed);
  }
}

void OutlierBoard::begin_anew(Endpoint& endpoint) {
  for (std::atomic<uint32_t>* row : {&endpoint.in_row_5xx, &endpoint.in_row_gateway, &endpoint.in_row_local}) {
    row->store(0, std::memory_order_relaxed);
  }
}

void OutlierBoard::abandon(uint32_t endpoint, uint32_t now) {
  std::atomic<uint64_t>& at = endpoints_[endpoint].word;
  uint64_t before = at.load(std::memory_order_relaxed);
  OutlierWord word = OutlierWord::of(before);
  if (word.phase == Phase::on_trial) {
    word.phase = Phase::ejected;
    word.until = now;
    at.compare_exchange_strong(before, word.packed(), std::memory_order_relaxed);
  }
}

OutlierBoard::State OutlierBoard::state(uint32_t endpoint) const {
  const OutlierWord word = OutlierWord::of(endpoints_[endpoint].word.load(std::memory_order_relaxed));
  return {.phase = word.phase,
          .why = endpoints_[endpoint].why.load(std::memory_order_relaxed),
          .times = word.times,
          .service = word.service,
          .until = word.until};
}

void OutlierBoard::forget(uint32_t endpoint) {
  Endpoint& at = endpoints_[endpoint];
  const OutlierWord word = OutlierWord::of(at.word.exchange(0, std::memory_order_relaxed));
  if (word.phase != Phase::in_service) {
    ejected_[word.service].fetch_sub(1, std::memory_order_relaxed);
    all_ejected_.fetch_sub(1, std::memory_order_relaxed);
  }
  begin_anew(at);
  at.why.store(Ejection::none, std::memory_order_relaxed);
  judged_[endpoint] = sums(endpoint);
}

OutlierBoard::Sums OutlierBoard::sums(uint32_t endpoint) const {
  Sums sums;
  for (const std::vector<Tally>& each : tallies_) {
    sums.all += each[endpoint].all.load(std::memory_order_relaxed);
    sums.good += each[endpoint].good.load(std::memory_order_relaxed);
  }
  return sums;
}

/// And whose service has no detection any more. One whose time is long over stays due: times are compared as far as
/// half of the numbers reach.
void OutlierBoard::forget_who_left(const Snapshot& snapshot, uint32_t now) {
  if (all_ejected_.load(std::memory_order_relaxed) == 0) {
    return;
  }
  for (uint32_t endpoint = 0; endpoint < endpoints_.size(); ++endpoint) {
    std::atomic<uint64_t>& at = endpoints_[endpoint].word;
    uint64_t before = at.load(std::memory_order_relaxed);
    OutlierWord word = OutlierWord::of(before);
    if (word.phase == Phase::in_service) {
      continue;
    }
    const Service* const service = snapshot.service_at(word.service);
    if (service == nullptr || !service->request_policy().outlier.enabled ||
        snapshot.target_of(*service, endpoint) == nullptr) {
      forget(endpoint);
    } else if (word.phase == Phase::ejected && is_past(word.until, now)) {
      word.until = now;
      at.compare_exchange_strong(before, word.packed(), std::memory_order_relaxed);
    }
  }
}

/// Intervals follow each other while there is detection; the first of them begins as it is turned on. A beginning may
/// lie behind by more than half of what the numbers reach, as a slot may have been nobody's for long: so no is_past().
bool OutlierBoard::is_interval_over(const Service& service, uint32_t now) {
  const OutlierPolicy& policy = service.request_policy().outlier;
  uint32_t& began = interval_began_[service.slot];
  if (!policy.enabled) {
    began = now;
    return false;
  }
  if (now - began < static_cast<uint32_t>(policy.interval.count())) {
    return false;
  }
  began = now;
  return true;
}

std::vector<OutlierBoard::Reported> OutlierBoard::judge(const Service& service, uint32_t now) {
  const OutlierPolicy& policy = service.request_policy().outlier;
  struct HostRate {
    uint32_t endpoint;
    double percent;
  };
  std::vector<HostRate> rates;
  for (const Target& target : service.targets) {
    Endpoint& endpoint = endpoints_[target.slot];
    uint64_t before = endpoint.word.load(std::memory_order_relaxed);
    OutlierWord word = OutlierWord::of(before);
    if (word.phase == Phase::in_service && word.times > 0) {
      --word.times;
      endpoint.word.compare_exchange_strong(before, word.packed(), std::memory_order_relaxed);
    }
    const Sums now_is = sums(target.slot);
    const Sums was = std::exchange(judged_[target.slot], now_is);
    if (const uint32_t all = now_is.all - was.all; all > 0 && all >= policy.success_rate.request_volume) {
      rates.push_back({target.slot, 100.0 * (now_is.good - was.good) / all});
    }
  }
  std::vector<Reported> told;
  if (policy.success_rate.stdev_factor_permille == 0 || rates.empty() ||
      rates.size() < policy.success_rate.minimum_hosts) {
    return told;
  }
  double mean = 0;
  for (const HostRate& rate : rates) {
    mean += rate.percent / static_cast<double>(rates.size());
  }
  double variance = 0;
  for (const HostRate& rate : rates) {
    variance += (rate.percent - mean) * (rate.percent - mean) / static_cast<double>(rates.size());
  }
  const double threshold = mean - std::sqrt(variance) * policy.success_rate.stdev_factor_permille / 1000;
  for (const HostRate& rate : rates) {
    if (rate.percent < threshold) {
      const Reported each = eject(service.slot, static_cast<uint32_t>(service.targets.size()), rate.endpoint, policy,
                                  Ejection::success_rate, now);
      if (each.ejected != Ejection::none || each.held_back != Ejection::none) {
        told.push_back(each);
      }
    }
  }
  return told;
}

size_t OutlierBoard::memory_bytes() const {
  return endpoints_.size() * (sizeof(Endpoint) + sizeof(Sums) + tallies_.size() * sizeof(Tally)) +
         ejected_.size() * (sizeof(uint32_t) + sizeof(std::atomic<uint32_t>));
}

}  // namespace weft::lb

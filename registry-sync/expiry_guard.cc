// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/expiry_guard.h"

#include <algorithm>
#include <utility>

namespace weft::registry {

bool ExpiryGuard::too_many(size_t gone, size_t left) const {
  return gone + left >= guard_.least && gone * 100 > guard_.percent * (gone + left);
}

bool ExpiryGuard::is_lost(size_t missing, size_t of) const {
  return !off() && too_many(missing, of - missing);
}

std::unordered_map<std::string, ExpiryGuard::Keys> ExpiryGuard::vanish(const std::string& key,
                                                                       const std::string& service, Population rest,
                                                                       Time now) {
  vanished_[key] = now;
  vanished_of_[service].insert(key);
  order_.emplace_back(now, std::pair(key, service));
  std::unordered_map<std::string, Keys> to_hold;
  // Who is held counts as gone, or the next to go would be let go.
  const size_t gone = held_of(service);
  if (too_many(vanished_.size() + held_instances_, rest.of_all - held_instances_)) {
    to_hold = std::exchange(vanished_of_, {});
  } else if (too_many(vanished_of_[service].size() + gone, rest.of_service - gone)) {
    to_hold.insert(vanished_of_.extract(service));
  }
  for (const auto& [ignored, keys] : to_hold) {
    for (const std::string& each : keys) {
      vanished_.erase(each);
    }
  }
  return to_hold;
}

void ExpiryGuard::come_back(const std::string& key, const std::string& service) {
  if (vanished_.erase(key) == 0) {
    return;
  }
  const auto others = vanished_of_.find(service);
  others->second.erase(key);
  if (others->second.empty()) {
    vanished_of_.erase(others);
  }
}

std::vector<std::string> ExpiryGuard::forget_before(Time now) {
  std::vector<std::string> forgotten;
  while (!order_.empty() && order_.front().first < now - guard_.window) {
    const auto& [at, who] = order_.front();
    // It may have come back and gone again: then a later one is of it.
    if (const auto known = vanished_.find(who.first); known != vanished_.end() && known->second == at) {
      forgotten.push_back(who.first);
      come_back(who.first, who.second);
    }
    order_.pop_front();
  }
  return forgotten;
}

std::vector<std::string> ExpiryGuard::forget_all() {
  std::vector<std::string> forgotten;
  for (const auto& [key, at] : vanished_) {
    forgotten.push_back(key);
  }
  vanished_.clear();
  vanished_of_.clear();
  order_.clear();
  return forgotten;
}

void ExpiryGuard::hold(const std::string& key, const std::string& service, size_t before) {
  if (!held_.insert(key).second) {
    return;
  }
  ++holds_;
  if (!service.empty()) {
    ++held_instances_;
    Held& held = held_of_[service];
    ++held.keys;
    held.before = std::max(held.before, before);
  }
}

void ExpiryGuard::release(const std::string& key, const std::string& service) {
  if (held_.erase(key) == 0 || service.empty()) {
    return;
  }
  --held_instances_;
  const auto held = held_of_.find(service);
  if (--held->second.keys == 0) {
    held_of_.erase(held);
  }
}

size_t ExpiryGuard::held_of(const std::string& service) const {
  const auto held = held_of_.find(service);
  return held == held_of_.end() ? 0 : held->second.keys;
}

bool ExpiryGuard::are_replaced(const std::string& service, size_t live) const {
  const auto held = held_of_.find(service);
  return held != held_of_.end() && live >= held->second.before;
}

}  // namespace weft::registry

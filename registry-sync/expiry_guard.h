// SPDX-License-Identifier: Apache-2.0
/// @file Which keys that are gone from a store are to stay in force nevertheless: the books of the mass-expiry guard.
/// Admission (admission.h, which says what is held, and why) keeps what these keys hold.
///
/// An instance that went by its lease's end is "vanished" for a window. When of a Service's instances, or of all, more
/// than a share is vanished or held, those that are vanished are held from then on. Of a Service that has held ones, it
/// is remembered how many instances it had before: once as many live again, the held ones have been replaced.
///
/// One thread; the clock is an argument.
#pragma once

#include <chrono>
#include <deque>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "registry-sync/choose.h"

namespace weft::registry {

struct Guard {
  uint32_t percent = 50;  ///< of a Service's instances, which may go within the window; 100: the guard is off
  uint32_t least = 4;     ///< instances that there must be for the guard to look
  std::chrono::seconds window{30};
};

/// Instances that are in the store, or held.
struct Population {
  size_t of_service = 0;
  size_t of_all = 0;
};

class ExpiryGuard {
 public:
  using Keys = std::set<std::string>;

  explicit ExpiryGuard(Guard guard) : guard_(guard) {}

  bool off() const { return guard_.percent >= 100; }
  /// Is it too much that a new list lacks so many of so many keys?
  bool is_lost(size_t missing, size_t of) const;

  /// An instance went by its lease's end. @returns which to hold, by Service, of those that vanished within the window;
  /// they are not vanished any more, and hold() is to be called of each
  /// @param rest without the one that went
  std::unordered_map<std::string, Keys> vanish(const std::string& key, const std::string& service, Population rest,
                                               Time now);
  /// The key is there again, and was vanished, or not.
  void come_back(const std::string& key, const std::string& service);
  /// Of the window's beginning: @returns keys that are not vanished any more
  std::vector<std::string> forget_before(Time now);
  std::vector<std::string> forget_all();

  /// @param before instances that the Service had, the held ones too; keys that are no instances have no Service: ""
  void hold(const std::string& key, const std::string& service, size_t before);
  void release(const std::string& key, const std::string& service);
  const Keys& held() const { return held_; }
  bool holds_of(const std::string& service) const { return held_of_.contains(service); }
  size_t held_of(const std::string& service) const;
  /// Have they been replaced, if so many of the Service live, none of them held?
  bool are_replaced(const std::string& service, size_t live) const;
  uint64_t holds() const { return holds_; }  ///< ever

 private:
  struct Held {
    size_t keys = 0;
    size_t before = 0;
  };
  bool too_many(size_t gone, size_t left) const;

  Guard guard_;
  std::unordered_map<std::string, Time> vanished_;                          ///< within the window, by key
  std::unordered_map<std::string, Keys> vanished_of_;                       ///< these, by Service
  std::deque<std::pair<Time, std::pair<std::string, std::string>>> order_;  ///< these, and some that came back
  Keys held_;
  size_t held_instances_ = 0;
  std::unordered_map<std::string, Held> held_of_;  ///< by Service
  uint64_t holds_ = 0;
};

}  // namespace weft::registry

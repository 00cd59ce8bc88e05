// SPDX-License-Identifier: Apache-2.0
/// @file How an operator sees a worker's flows, which the worker alone may touch: it is asked, and copies some out.
///
/// One thread at a time asks; the worker answers a bounded number of records each turn. The records' room is taken by
/// the asker, so the worker allocates nothing.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "flow/table.h"

namespace weft::runtime {

class FlowInquiry {
 public:
  struct Question {
    std::optional<lb::FlowKey> key;       ///< the one flow with this tuple, in either direction; else any
    std::vector<uint32_t> service_slots;  ///< flows of one of these; none: of any
    uint32_t limit = 100;
  };

  struct Answer {
    std::vector<flow::Flow> flows;
    time::Millis now = 0;  ///< the worker's time, which the flows' time stamps are to be seen by
  };

  /// The asker's side. @returns nothing if the worker did not answer in time (it is not running)
  std::optional<Answer> ask(const Question& question, std::chrono::milliseconds patience) {
    State before = state_.load(std::memory_order_acquire);
    const bool free = before == State::idle || before == State::answered;  // answered too late for who asked then
    if (!free || !state_.compare_exchange_strong(before, State::preparing)) {
      return std::nullopt;  // an earlier question was never answered
    }
    question_ = question;
    answer_.flows.clear();
    answer_.flows.reserve(question.limit);
    at_ = 0;
    state_.store(State::asked, std::memory_order_release);
    for (const auto deadline = std::chrono::steady_clock::now() + patience;
         state_.load(std::memory_order_acquire) != State::answered;) {
      if (std::chrono::steady_clock::now() > deadline) {
        return std::nullopt;
      }
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    Answer answer = std::move(answer_);
    state_.store(State::idle, std::memory_order_release);
    return answer;
  }

  /// The worker's side: one turn's share of the work.
  void answer(flow::FlowTable& flows, uint64_t seed, time::Millis now) {
    if (state_.load(std::memory_order_acquire) != State::asked) [[likely]] {
      return;
    }
    if (question_.key) {
      const flow::Ref found = flows.find(*question_.key, hash_of(*question_.key, seed), {}, now);
      if (found && question_.limit > 0) {
        answer_.flows.push_back(flows[found]);
      }
      at_ = 0;
    } else {
      at_ = flows.visit(at_, kRecordsATurn, now, [this](const flow::Flow& flow) {
        if (answer_.flows.size() < question_.limit && is_asked_for(flow)) {
          answer_.flows.push_back(flow);
        }
      });
    }
    if (at_ == 0 || answer_.flows.size() >= question_.limit) {
      answer_.now = now;
      state_.store(State::answered, std::memory_order_release);
    }
  }

 private:
  static constexpr uint32_t kRecordsATurn = 1024;  // 64 KiB to look at, in order: some microseconds
  enum class State : uint8_t { idle, preparing, asked, answered };

  bool is_asked_for(const flow::Flow& flow) const {
    const std::vector<uint32_t>& slots = question_.service_slots;
    return slots.empty() || std::find(slots.begin(), slots.end(), flow.service_slot) != slots.end();
  }

  std::atomic<State> state_{State::idle};
  Question question_;
  Answer answer_;
  uint32_t at_ = 0;
};

}  // namespace weft::runtime

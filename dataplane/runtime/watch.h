// SPDX-License-Identifier: Apache-2.0
/// @file Who looks on at the workers: the traces and captures that run, and who follows requests.
///
/// A Watch is the immutable list that a worker sees: none, most of the time, which costs it one load and a predicted
/// branch a burst. Watchers makes the next list, has all workers see it, and waits until none can hold the last one any
/// more (as publisher.h does with snapshots, and by the same quiescent points) before memory goes.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "runtime/access.h"
#include "runtime/capture.h"
#include "runtime/publisher.h"
#include "runtime/trace.h"

namespace weft::runtime {

struct Watch {
  std::vector<std::shared_ptr<Trace>> traces;
  std::vector<std::shared_ptr<Capture>> captures;
  std::vector<std::shared_ptr<Access>> accesses;

  void before(uint32_t worker, rte_mbuf* const* packets, const l4::Burst& burst, l4::Pipeline& pipeline,
              const lb::Snapshot& snapshot, time::Time now) const {
    for (const auto& trace : traces) {
      trace->before(worker, packets, burst, pipeline, snapshot, now);
    }
    for (const auto& capture : captures) {
      capture->before(worker, burst);
    }
  }
  void after(uint32_t worker, rte_mbuf* const* packets, const l4::Burst& burst, l4::Pipeline& pipeline,
             const lb::Snapshot& snapshot, time::Time now, const Terminator* own) const {
    for (const auto& trace : traces) {
      trace->after(worker, packets, burst, pipeline, snapshot, now, own);
    }
    for (const auto& capture : captures) {
      capture->after(worker, burst);
    }
  }
  void originated(uint32_t worker, const rte_mbuf* packet, const l4::Frame& frame, uint8_t port,
                  const Terminator& own) const {
    for (const auto& trace : traces) {
      trace->originated(worker, packet, frame, port, own);
    }
    for (const auto& capture : captures) {
      capture->originated(worker, frame);
    }
  }
  void finished(uint32_t worker, const proxy::AccessRecord& record) const {
    for (const auto& access : accesses) {
      access->finished(worker, record);
    }
  }
  void lost(uint32_t worker, const rte_mbuf* packet, l4::Verdict reason) const {
    for (const auto& trace : traces) {
      trace->lost(worker, packet, reason);
    }
  }
};

/// Where a worker looks who looks on.
class WatchPoint {
 public:
  /// Null: nobody. Valid until the worker's next quiescent point.
  const Watch* get() const { return watch_.load(std::memory_order_acquire); }

 private:
  friend class Watchers;
  std::atomic<const Watch*> watch_{nullptr};
};

/// One control thread's.
class Watchers {
 public:
  static constexpr size_t kMost = 4;  ///< of each kind at a time

  /// @param points one a worker; they and the publisher, whose readers the workers are, outlive it
  Watchers(std::vector<WatchPoint*> points, SnapshotPublisher& publisher)
      : points_(std::move(points)), publisher_(publisher) {}
  ~Watchers();
  Watchers(const Watchers&) = delete;
  Watchers& operator=(const Watchers&) = delete;

  /// From now on workers write to it. Refused if kMost of its kind run.
  template <typename Observer>
  tl::expected<void, std::string> add(std::shared_ptr<Observer> observer) {
    Watch next = current_ ? *current_ : Watch{};
    auto& list = list_of<Observer>(next);
    if (list.size() == kMost) {
      return tl::unexpected(std::to_string(kMost) + " run already: end one of them first");
    }
    list.push_back(std::move(observer));
    publish(std::move(next));
    return {};
  }
  /// When it returns no worker writes to the observer any more.
  template <typename Observer>
  void remove(const std::shared_ptr<Observer>& observer) {
    Watch next = current_ ? *current_ : Watch{};
    if (std::erase(list_of<Observer>(next), observer) > 0) {
      publish(std::move(next));
    }
  }
  /// Removes all captures. @returns how many
  size_t remove_captures();
  bool has(const std::shared_ptr<Capture>& capture) const;
  size_t captures() const { return current_ ? current_->captures.size() : 0; }

 private:
  template <typename Observer>
  static auto& list_of(Watch& watch) {
    if constexpr (std::is_same_v<Observer, Trace>) {
      return watch.traces;
    } else if constexpr (std::is_same_v<Observer, Capture>) {
      return watch.captures;
    } else {
      return watch.accesses;
    }
  }
  void publish(Watch next);

  std::vector<WatchPoint*> points_;
  SnapshotPublisher& publisher_;
  std::unique_ptr<const Watch> current_;  ///< null if nobody looks on
};

}  // namespace weft::runtime

// SPDX-License-Identifier: Apache-2.0
/// @file Traces, captures and who follows requests begin, read and end under workers at work: none is written to after
/// it is gone, and what is read is whole. Run under ThreadSanitizer and AddressSanitizer too.
#include "runtime/watch.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <random>
#include <thread>

#include "pipeline_bed.h"
#include "snapshots.h"

namespace weft::runtime {
namespace {

constexpr uint32_t kWorkers = 2;
constexpr uint32_t kRounds = 60;
constexpr const char* kWeb = "10.96.0.1:80";

std::shared_ptr<const lb::Snapshot> mesh() {
  return test::make_snapshot({test::make_service(kWeb, lb::Protocol::tcp, 0, {{"10.2.0.1:8080", 0}})});
}

/// A worker's turns with a pipeline of its own: always the same packet, whose last byte says which worker has it.
class Turns {
 public:
  explicit Turns(uint32_t number) : number_(number) {
    const test::Socket client(lb::address_from_host(0x0a010001), static_cast<uint16_t>(1024 + number));
    original_ = tcp(client, kWeb).flags(test::kSyn).payload(std::string(1, static_cast<char>('a' + number))).bytes();
  }

  void turn(const Watch* watch, const lb::Snapshot& snapshot) {
    std::vector<test::Bytes> frames(burst_->size = 8, original_);
    std::array<rte_mbuf*, 8> packets;
    for (uint32_t i = 0; i < burst_->size; ++i) {
      burst_->frames[i] = {.data = frames[i].data(), .length = static_cast<uint16_t>(frames[i].size())};
      burst_->ports[i] = 0;
      burst_->ingress[i] = test::kPods;
      packets[i] = reinterpret_cast<rte_mbuf*>(frames[i].data());  // only what it is, never what is there
    }
    if (watch != nullptr) {
      watch->before(number_, packets.data(), *burst_, pipeline_, snapshot, now_);
    }
    pipeline_.process(*burst_, snapshot, forwarding_, now_);
    if (watch != nullptr) {
      watch->after(number_, packets.data(), *burst_, pipeline_, snapshot, now_, nullptr);
      watch->lost(number_, packets[0], l4::Verdict::transmit_full);
      proxy::AccessRecord record;
      record.service_slot = number_;
      record.path.set(std::string(100, static_cast<char>('a' + number_)));
      watch->finished(number_, record);
    }
    now_ += std::chrono::microseconds(10);
  }

 private:
  uint32_t number_;
  test::Bytes original_;
  l4::SlotCounters counters_{16, 16};
  l4::Pipeline pipeline_{{.seed = test::kSeed, .max_endpoints = 16, .max_services = 16, .flows = 64, .flows6 = 64},
                         counters_};
  const l4::Forwarding forwarding_ = test::two_ports();
  std::unique_ptr<l4::Burst> burst_ = std::make_unique<l4::Burst>();
  time::Time now_ = std::chrono::seconds(1000);
};

class WatchedWorkers {
 public:
  WatchedWorkers() {
    for (uint32_t number = 0; number < kWorkers; ++number) {
      threads_.emplace_back([this, number] { run(number); });
    }
  }
  ~WatchedWorkers() {
    stop_ = true;
    for (std::thread& thread : threads_) {
      thread.join();
    }
  }

  Watchers& watchers() { return watchers_; }

 private:
  void run(uint32_t number) {
    std::mt19937 random(number);
    Turns turns(number);
    SnapshotPublisher::Reader reader(publisher_, number);
    reader.online();
    while (!stop_.load()) {
      const lb::Snapshot& snapshot = reader.read();
      turns.turn(points_[number].get(), snapshot);
      reader.quiescent();
      if (random() % 8 == 0) {
        reader.offline();
        std::this_thread::yield();
        reader.online();
      }
    }
    reader.offline();
  }

  SnapshotPublisher publisher_{kWorkers, mesh(),
                               std::make_shared<const l4::Forwarding>(
                                   std::vector<l4::Port>{}, std::vector<l4::NextHop>{}, std::vector<l4::Route>{})};
  std::array<WatchPoint, kWorkers> points_;
  Watchers watchers_{{&points_[0], &points_[1]}, publisher_};
  std::atomic<bool> stop_ = false;
  std::vector<std::thread> threads_;
};

void expect_whole(const TraceRecord& record, uint32_t worker) {
  if (record.what == TraceRecord::What::lost) {
    EXPECT_EQ(record.lost_by, l4::Verdict::transmit_full);
    return;
  }
  EXPECT_EQ(record.passage.verdict, l4::Verdict::request);
  EXPECT_EQ(to_host(record.passage.before.parsed.key4.source_port), 1024 + worker);
  EXPECT_EQ(to_host(record.passage.after.parsed.key4.destination_port), 8080);
  EXPECT_EQ(record.passage.before.length, 55);
}

TEST(Watch, TracesComeAndGoUnderWorkersAtWork) {
  WatchedWorkers workers;
  for (uint32_t round = 0; round < kRounds; ++round) {
    const auto trace = std::make_shared<Trace>(kWorkers, 20, PacketFilter());
    ASSERT_TRUE(workers.watchers().add(trace));
    std::array<uint32_t, kWorkers> passages = {};
    TraceRecord record;
    while (passages[0] < 20 || passages[1] < 20) {
      for (uint32_t worker = 0; worker < kWorkers; ++worker) {
        while (trace->take(worker, record)) {
          expect_whole(record, worker);
          passages[worker] += record.what == TraceRecord::What::passage ? 1 : 0;
        }
      }
    }
    workers.watchers().remove(trace);
    EXPECT_EQ(passages[0], 20U) << "and no more";
    EXPECT_EQ(passages[1], 20U);
    EXPECT_EQ(trace.use_count(), 1) << "no worker can have it any more";
  }
}

TEST(Watch, CapturesComeAndGoUnderWorkersAtWork) {
  WatchedWorkers workers;
  for (uint32_t round = 0; round < kRounds; ++round) {
    const auto capture = std::make_shared<Capture>(kWorkers, CaptureConfig{.ring_bytes = 8192});
    ASSERT_TRUE(workers.watchers().add(capture));
    uint32_t copies = 0;
    while (copies < 200) {
      capture->look(100, [&](const Capture::Copy& copy) {
        EXPECT_EQ(copy.length, 55U);
        EXPECT_EQ(copy.bytes.size(), 55U);
        const auto last = static_cast<char>(copy.bytes.back());
        EXPECT_TRUE(last == 'a' || last == 'b') << last;
        ++copies;
        return true;
      });
    }
    EXPECT_EQ(workers.watchers().remove_captures(), 1U);
    uint32_t left = 0;
    capture->look(1000, [&](const Capture::Copy&) { return ++left > 0; });
    capture->look(1000, [&](const Capture::Copy&) { return ++left == 0; });
    EXPECT_LE(left, 128U) << "what the rings held, and nothing after";
    EXPECT_EQ(capture.use_count(), 1);
  }
}

TEST(Watch, WhoFollowsRequestsComesAndGoesUnderWorkersAtWork) {
  WatchedWorkers workers;
  for (uint32_t round = 0; round < kRounds; ++round) {
    const auto access = std::make_shared<Access>(kWorkers, AccessFilter{});
    ASSERT_TRUE(workers.watchers().add(access));
    std::array<uint32_t, kWorkers> records = {};
    const auto look = [&] {
      for (proxy::AccessRecord record; access->take(record);) {
        const uint32_t worker = record.service_slot;
        ASSERT_LT(worker, kWorkers);
        ++records[worker];
        EXPECT_EQ(record.path.view(), std::string(100, static_cast<char>('a' + worker)));
      }
    };
    while (records[0] < 20 || records[1] < 20) {
      look();
    }
    workers.watchers().remove(access);
    look();
    records = {};
    look();
    EXPECT_EQ(records[0] + records[1], 0U) << "nobody writes any more";
    EXPECT_EQ(access.use_count(), 1);
  }
}

}  // namespace
}  // namespace weft::runtime

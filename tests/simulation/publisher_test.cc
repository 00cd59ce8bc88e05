// SPDX-License-Identifier: Apache-2.0
/// @file Snapshots published under readers that work, sleep and leave: none may be used after it was reclaimed.
///
/// Run under ThreadSanitizer and AddressSanitizer too; but each snapshot's deleter also says when it goes, so that the
/// test can fail without them.
#include "runtime/publisher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <random>
#include <thread>

#include "lb/decision.h"
#include "snapshots.h"

namespace weft::runtime {
namespace {

constexpr uint64_t kEpochs = 2000;
constexpr uint32_t kReaders = 3;

/// Snapshots whose every part says which epoch it is of, and who tell when they are gone.
class Ledger {
 public:
  std::shared_ptr<const lb::Snapshot> make(uint64_t epoch) {
    const test::Socket endpoint(lb::address_from_host(0x0a020000 + static_cast<uint32_t>(epoch)), 8080);
    const auto built = test::make_snapshot(
        {test::make_service("10.96.0.1:80", lb::Protocol::tcp, 0, {{endpoint, static_cast<uint32_t>(epoch % 16)}})},
        epoch);
    auto* owned = new lb::Snapshot(*built);
    return {owned, [this](const lb::Snapshot* snapshot) {
              gone_[snapshot->epoch()].store(true);
              delete snapshot;
            }};
  }
  bool gone(uint64_t epoch) const { return gone_[epoch].load(); }
  uint64_t living() const {
    return static_cast<uint64_t>(std::count_if(gone_.begin(), gone_.end(), [](const auto& each) { return !each; }));
  }

 private:
  std::array<std::atomic<bool>, kEpochs + 1> gone_ = {};
};

std::shared_ptr<const l4::Forwarding> no_ports(uint64_t epoch = 0) {
  return std::make_shared<const l4::Forwarding>(std::vector<l4::Port>{}, std::vector<l4::NextHop>{},
                                                std::vector<l4::Route>{}, std::vector<l4::Forwarding::Group>{}, epoch);
}

/// One turn of a worker: read, use, use again, let go.
void use(const SnapshotPublisher::Reader& reader, const Ledger& ledger, uint64_t& newest) {
  const lb::Snapshot& snapshot = reader.read();
  const uint64_t epoch = snapshot.epoch();
  EXPECT_GE(epoch, newest) << "never an older one than before";
  newest = epoch;
  for (uint16_t port = 1; port < 8; ++port) {
    const lb::FlowKey4 key = test::key_of({lb::address_from_host(0x0a010001), port}, "10.96.0.1:80", lb::Protocol::tcp);
    const lb::Decision decision = decide(snapshot, lb::Tuple(key), hash_of(key, snapshot.seed()));
    ASSERT_NE(decision.target, nullptr);
    EXPECT_EQ(decision.target->address, lb::address_from_host(0x0a020000 + static_cast<uint32_t>(epoch)));
  }
  if (newest % 4 == 0) {  // as a worker that lost its core in the middle of a turn
    std::this_thread::yield();
  }
  EXPECT_FALSE(ledger.gone(epoch)) << "in use, and reclaimed";
  EXPECT_EQ(snapshot.epoch(), epoch);
}

TEST(SnapshotPublisher, NeverReclaimsASnapshotInUse) {
  const auto ledger = std::make_unique<Ledger>();
  {
    SnapshotPublisher publisher(kReaders, ledger->make(0), no_ports());
    std::atomic<bool> stop = false;
    std::atomic<uint64_t> turns = 0;
    std::vector<std::thread> threads;
    for (uint32_t number = 0; number < kReaders; ++number) {
      threads.emplace_back([&, number] {
        std::mt19937 random(number);
        SnapshotPublisher::Reader reader(publisher, number);
        uint64_t newest = 0;
        reader.online();
        while (!stop.load()) {
          use(reader, *ledger, newest);
          ++turns;
          reader.quiescent();
          if (random() % 8 == 0) {  // as a worker that goes to sleep
            reader.offline();
            std::this_thread::yield();
            reader.online();
          }
        }
        use(reader, *ledger, newest);
        reader.offline();
      });
    }
    threads.emplace_back([&] {  // as a thread that answers operators
      while (!stop.load()) {
        const std::shared_ptr<const lb::Snapshot> held = publisher.current();
        std::this_thread::yield();
        EXPECT_FALSE(ledger->gone(held->epoch()));
      }
    });
    for (uint64_t epoch = 1; epoch <= kEpochs; ++epoch) {
      for (const uint64_t before = turns.load(); turns.load() < before + 2;) {  // readers are at work in between
        std::this_thread::yield();
      }
      publisher.publish(ledger->make(epoch));
      EXPECT_EQ(publisher.current()->epoch(), epoch);
    }
    stop = true;
    for (std::thread& thread : threads) {
      thread.join();
    }
    EXPECT_EQ(ledger->living(), 1U) << "all but the last were reclaimed";
  }
  EXPECT_EQ(ledger->living(), 0U);
}

TEST(SnapshotPublisher, DoesNotWaitForReadersThatAreOfflineOrGone) {
  const auto ledger = std::make_unique<Ledger>();
  SnapshotPublisher publisher(3, ledger->make(0), no_ports());
  const SnapshotPublisher::Reader never_online(publisher, 0);
  SnapshotPublisher::Reader asleep(publisher, 1);
  asleep.online();
  asleep.offline();
  { const SnapshotPublisher::Reader left(publisher, 2); }
  publisher.publish(ledger->make(1));
  EXPECT_TRUE(ledger->gone(0));
  asleep.online();
  EXPECT_EQ(asleep.read().epoch(), 1U);
  asleep.offline();
}

TEST(SnapshotPublisher, ASnapshotLivesOnWithWhoHoldsIt) {
  const auto ledger = std::make_unique<Ledger>();
  SnapshotPublisher publisher(1, ledger->make(0), no_ports());
  std::shared_ptr<const lb::Snapshot> held = publisher.current();
  publisher.publish(ledger->make(1));
  EXPECT_FALSE(ledger->gone(0));
  EXPECT_EQ(held->epoch(), 0U);
  held.reset();
  EXPECT_TRUE(ledger->gone(0));
}

}  // namespace
}  // namespace weft::runtime

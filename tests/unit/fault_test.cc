// SPDX-License-Identifier: Apache-2.0
/// @file Faults that are injected on purpose: whom they are about, how often, and until when; against a slow model.
#include "lb/fault.h"

#include <gtest/gtest.h>

#include <cmath>

#include "lb/fault_board.h"
#include "lb/http_choice.h"

namespace weft::lb {
namespace {

constexpr uint64_t kMs = 1'000'000;  // in ns

const Address kCart(address_from_host(0x0a010001));
const Address kStranger(address_from_host(0x0a010002));
const Caller kCartCaller{{"shop"}, {"cluster.local/ns/shop/sa/cart"}};

Fault aborting(uint32_t share, uint16_t status = 503) {
  return {.name = "shop/f", .id = 1, .share = share, .abort_status = status};
}

/// Four standard deviations of a binomial distribution: a fixed seed either lies within, or it does not.
void expect_share(uint64_t hits, uint64_t of, double share) {
  const auto n = static_cast<double>(of);
  EXPECT_NEAR(static_cast<double>(hits), n * share, 4 * std::sqrt(n * share * (1 - share)) + 1e-9) << share;
}

TEST(Fault, ThatManyOfAllAreHit) {
  constexpr uint64_t kAsked = 200'000;
  const HttpRequest request;
  for (const uint32_t share : {1U, 50U, 1'000U, 2'550U, 9'999U, 10'000U}) {
    SplitMix64 random(7);
    uint64_t hits = 0;
    for (uint64_t i = 0; i < kAsked; ++i) {
      Injection injection;
      injection.add({aborting(share)}, {.client = kCart, .request = &request}, random);
      hits += injection.aborted_by != nullptr ? 1 : 0;
    }
    expect_share(hits, kAsked, share / 10'000.0);
  }
}

TEST(Fault, AFlowMeetsTheSameFateAlwaysAndThatManyFlowsMeetIt) {
  constexpr uint64_t kFlows = 100'000;
  for (const uint32_t share : {100U, 5'000U, 10'000U}) {
    const Fault fault = aborting(share);
    uint64_t hits = 0;
    for (uint64_t flow = 0; flow < kFlows; ++flow) {
      const uint64_t hash = SplitMix64::mixed(flow);
      hits += is_hit_flow(fault, hash) ? 1 : 0;
      ASSERT_EQ(is_hit_flow(fault, hash), is_hit_flow(fault, hash));
    }
    expect_share(hits, kFlows, share / 10'000.0);
  }
}

TEST(Fault, FaultsOfFlowsHitOthersThanEachOther) {
  Fault one = aborting(5'000);
  Fault other = aborting(5'000);
  other.id = 2;
  uint64_t both = 0;
  for (uint64_t flow = 0; flow < 100'000; ++flow) {
    const uint64_t hash = SplitMix64::mixed(flow);
    both += is_hit_flow(one, hash) && is_hit_flow(other, hash) ? 1 : 0;
  }
  expect_share(both, 100'000, 0.25);
}

TEST(Fault, UniformDelaysLieBetweenBothAndReachThem) {
  Fault fault{.name = "f", .delay = FaultDelay{10, 14}};
  SplitMix64 random(3);
  std::array<uint64_t, 5> seen{};
  for (int i = 0; i < 50'000; ++i) {
    Injection injection;
    injection.add({fault}, {.client = kCart}, random);
    ASSERT_GE(injection.delay_ms, 10U);
    ASSERT_LE(injection.delay_ms, 14U);
    ++seen[injection.delay_ms - 10];
  }
  for (const uint64_t each : seen) {
    expect_share(each, 50'000, 0.2);
  }
}

/// What is_about() and add() are to say, as one would say it.
bool is_meant(const Fault& fault, const FaultScope& scope) {
  if (fault.until_ns != 0 && scope.now_ns >= fault.until_ns) {
    return false;
  }
  if (!fault.route.empty() && scope.route != fault.route) {
    return false;
  }
  bool from = fault.from.empty();
  for (const AuthorizationSource& source : fault.from) {
    for (const TextPattern& wanted : source.namespaces.is) {
      from |= scope.caller != nullptr && scope.caller->namespaces[0] == wanted.text;
    }
  }
  bool headers = true;
  for (const FaultHeader& header : fault.headers) {
    bool has = false;
    if (scope.request != nullptr) {
      for (const HttpField& field : scope.request->fields) {
        has |= field.name == header.name &&
               (header.value.is[0].kind == TextPattern::Kind::any ? !field.value.empty()
                                                                  : field.value == header.value.is[0].text);
      }
    }
    headers &= has;
  }
  return from && headers;
}

TEST(Fault, ADelayEndsWithItsFaultAndAllOfThemAfterTenMinutes) {
  constexpr uint64_t kNow = 7'000 * kMs;
  const FaultScope scope{.client = kCart, .now_ns = kNow};
  SplitMix64 random(1);
  const Fault longer{.delay = FaultDelay{600'000, 600'000}};
  const Fault ends{.until_ns = kNow + 1'000 * kMs - 1, .delay = FaultDelay{600'000, 600'000}};
  const auto delay = [&](const Faults& faults) {
    Injection injection;
    injection.add(faults, scope, random);
    return injection.delay_ms;
  };
  EXPECT_EQ(delay({ends}), 1'000U) << "rounded up";
  EXPECT_EQ(delay({ends, ends}), 1'000U) << "when the first has ended, so has the second";
  EXPECT_EQ(delay({longer, longer, longer}), 600'000U);
  EXPECT_EQ(delay({longer, ends}), 600'000U);
  EXPECT_EQ(delay({ends, {.delay = FaultDelay{5'000, 5'000}}}), 6'000U);
}

TEST(Fault, AgreesWithASlowModelOnAVirtualClock) {
  SplitMix64 dice(11);
  const auto one_of = [&](uint64_t n) { return scaled(dice(), n); };
  for (int round = 0; round < 20'000; ++round) {
    Faults faults;
    for (uint64_t n = one_of(4); n > 0; --n) {
      Fault fault{.name = "f" + std::to_string(n), .id = n};
      fault.until_ns = one_of(3) == 0 ? kMs * (1 + one_of(100)) : 0;
      fault.route = one_of(3) == 0 ? "shop/r" : "";
      if (one_of(3) == 0) {
        fault.from.push_back({.namespaces = {{{TextPattern::Kind::exact, "shop"}}, {}}});
      }
      if (one_of(3) == 0) {
        const bool any = one_of(2) == 0;
        fault.headers.push_back(
            {"x-test", {{{any ? TextPattern::Kind::any : TextPattern::Kind::exact, any ? "" : "1"}}, {}}});
      }
      fault.delay = one_of(2) == 0 ? std::optional(FaultDelay{5, 5}) : std::nullopt;
      fault.abort_status = one_of(2) == 0 ? 500 : 0;
      fault.kills = one_of(3) == 0;
      fault.killed = one_of(2) == 0 ? std::optional(kCart) : std::nullopt;
      faults.push_back(fault);
    }
    const std::array fields = {HttpField{"x-test", one_of(2) == 0 ? "1" : "2"}};
    HttpRequest request;
    request.fields = std::span(fields).first(one_of(2));
    const FaultScope scope{.client = kCart,
                           .caller = one_of(2) == 0 ? &kCartCaller : nullptr,
                           .route = one_of(2) == 0 ? "shop/r" : "shop/other",
                           .request = one_of(4) == 0 ? nullptr : &request,
                           .now_ns = kMs * one_of(100)};
    uint32_t delay = 0;
    const Fault* abort = nullptr;
    const Fault* killer = nullptr;
    for (const Fault& fault : faults) {
      if (is_meant(fault, scope)) {
        for (int ms = 0; fault.delay && ms < 5; ++ms) {
          delay += fault.until_ns == 0 || scope.now_ns + delay * kMs < fault.until_ns ? 1 : 0;
        }
        abort = abort == nullptr && fault.abort_status != 0 && scope.request != nullptr ? &fault : abort;
        killer = killer == nullptr && fault.kills && (!fault.killed || *fault.killed == kStranger) ? &fault : killer;
      }
    }
    SplitMix64 random(1);
    Injection injection;
    injection.add(faults, scope, random);
    ASSERT_EQ(injection.delay_ms, delay) << round;
    ASSERT_EQ(injection.aborted_by, abort) << round;
    ASSERT_EQ(killer_of(faults, scope, kStranger, random), killer) << round;
  }
}

TEST(Fault, IsDescribed) {
  Fault fault{.delay = FaultDelay{100, 2000}, .abort_status = 503};
  EXPECT_EQ(describe(fault), "delay 100ms to 2s, abort 503");
  fault = {.loss = 1'250, .bits_per_second = 1'000'000};
  EXPECT_EQ(describe(fault), "loss 12.5%, bandwidth 1000000 bit/s");
  fault = {.kills = true, .killed = kCart};
  EXPECT_EQ(describe(fault), "dead 10.1.0.1");
  EXPECT_EQ(percent(1), "0.01%");
  EXPECT_EQ(percent(10'000), "100%");
}

TEST(FaultBoard, CountsEachFaultAndForgetsWhoHadItsPlaceBefore) {
  FaultBoard board(2);
  Fault fault{.number = 3, .id = 5};
  board.count(0, fault, Injected::delayed);
  board.count(1, fault, Injected::delayed);
  board.count(1, fault, Injected::lost);
  EXPECT_EQ(board.sum(fault, Injected::delayed), 2U);
  EXPECT_EQ(board.sum(fault, Injected::lost), 1U);
  Fault next = fault;
  next.id = 6;
  EXPECT_EQ(board.sum(next, Injected::delayed), 0U);
  board.count(1, next, Injected::lost);
  EXPECT_EQ(board.sum(next, Injected::lost), 1U);
  EXPECT_EQ(board.sum(next, Injected::delayed), 0U);
}

TEST(FaultBoard, LetsSoManyBitsThroughAndNoMore) {
  FaultBoard board(1);
  const Fault fault{.number = 1, .id = 1, .bits_per_second = 8'000'000};
  constexpr uint64_t kMillisecond = 1'000'000;
  uint64_t bytes = 0;
  for (uint64_t ms = 0; ms < 2'000; ++ms) {  // ten times as much is offered
    for (int i = 0; i < 10; ++i) {
      bytes += board.has_room(fault, 1'000, kMillisecond * (1'000 + ms)) ? 1'000 : 0;
    }
  }
  const uint64_t allowed = 2'000'000 + fault.burst_bits() / 8;
  EXPECT_LE(bytes, allowed);
  EXPECT_GE(bytes, allowed - 2'000);
}

TEST(FaultBoard, ABucketThatWasAnothersBeginsFull) {
  FaultBoard board(1);
  Fault slow{.number = 1, .id = 1, .bits_per_second = 1'000};
  constexpr uint32_t kJumbo = 10 << 10;  // as large as packets get
  EXPECT_TRUE(board.has_room(slow, kJumbo, 5));
  EXPECT_FALSE(board.has_room(slow, kJumbo, 5));
  slow.id = 2;
  EXPECT_TRUE(board.has_room(slow, kJumbo, 5));
}

}  // namespace
}  // namespace weft::lb

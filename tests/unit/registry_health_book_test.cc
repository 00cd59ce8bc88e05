// SPDX-License-Identifier: Apache-2.0
/// @file When checks are due and what their results come to, on a virtual clock, held against a slow reference.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "registry-sync/health_book.h"

namespace weft::registry {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using Outcome = CheckResult::Outcome;

CheckTarget target_of(uint64_t id, HealthCheck check, const std::string& service = "default/web") {
  return {.id = id,
          .service = service,
          .name = "pod-" + std::to_string(id),
          .address = *lb::parse_ipv4("10.1.0.1"),
          .port = lb::port_from_host(8080),
          .check = std::make_shared<const HealthCheck>(std::move(check))};
}

std::vector<CheckTarget> targets_of(uint64_t first, uint64_t last, const HealthCheck& check) {
  std::vector<CheckTarget> targets;
  for (uint64_t id = first; id <= last; ++id) {
    targets.push_back(target_of(id, check));
  }
  return targets;
}

/// Runs the next check, with this result, at its time.
std::optional<CheckVerdict> check_next(HealthBook& book, Outcome outcome) {
  const Time now = book.next_due().value();
  const std::optional<CheckTarget> target = book.begin(now);
  return book.finish(target.value().id, {.outcome = outcome, .error = "refused"}, now + milliseconds(1));
}

TEST(HealthBook, LowersAfterFallFailuresAndRaisesAfterRisePasses) {
  HealthBook book(1);
  book.replace("default/web", targets_of(7, 7, {.rise = 2, .fall = 3}), Time{});
  EXPECT_EQ(check_next(book, Outcome::failed), std::nullopt);
  EXPECT_EQ(check_next(book, Outcome::failed), std::nullopt);
  EXPECT_EQ(check_next(book, Outcome::passed), std::nullopt) << "and counts anew";
  EXPECT_EQ(check_next(book, Outcome::failed), std::nullopt);
  EXPECT_EQ(check_next(book, Outcome::failed), std::nullopt);
  EXPECT_EQ(check_next(book, Outcome::failed), (CheckVerdict{.id = 7, .failed = true}));
  EXPECT_EQ(check_next(book, Outcome::failed), std::nullopt) << "it is known";
  EXPECT_EQ(check_next(book, Outcome::passed), std::nullopt);
  EXPECT_EQ(check_next(book, Outcome::inconclusive), std::nullopt) << "says nothing either way";
  EXPECT_EQ(check_next(book, Outcome::passed), (CheckVerdict{.id = 7, .failed = false}));
  const CheckState state = book.states().at(0);
  EXPECT_EQ(state.checks, 9U);
  EXPECT_EQ(state.failures, 6U);
  EXPECT_EQ(state.last_error, "refused");
}

TEST(HealthBook, TenThousandThatComeAtOnceAreSpreadOverTheInterval) {
  constexpr uint64_t kTargets = 10'000;
  constexpr int kTenths = 10;
  HealthBook book(2);
  book.replace("default/web", targets_of(1, kTargets, {.interval = seconds(5)}), Time{});
  std::map<int64_t, uint64_t> by_tenth;
  // Two intervals. Where one ends and the next begins, jitter moves some checks from one tenth to the other.
  while (book.next_due().value() < Time(seconds(10))) {
    const Time now = *book.next_due();
    ++by_tenth[now.time_since_epoch() * kTenths / seconds(5)];
    book.finish(book.begin(now).value().id, {}, now);
  }
  for (int64_t tenth = 0; tenth < 2 * kTenths; ++tenth) {
    EXPECT_NEAR(static_cast<double>(by_tenth[tenth]), kTargets / kTenths, kTargets / kTenths * 0.4) << tenth;
  }
}

TEST(HealthBook, IntervalsVaryWithinTheJitter) {
  HealthBook book(3);
  book.replace("default/web", targets_of(1, 1, {.interval = milliseconds(1000), .jitter_percent = 20}), Time{});
  Time last = book.next_due().value();
  EXPECT_LT(last, Time(milliseconds(1000)));
  check_next(book, Outcome::passed);
  nanoseconds shortest = seconds(9);
  nanoseconds longest{0};
  for (int i = 0; i < 1000; ++i) {
    const Time due = book.next_due().value();
    shortest = std::min<nanoseconds>(shortest, due - last);
    longest = std::max<nanoseconds>(longest, due - last);
    last = due;
    check_next(book, Outcome::passed);
  }
  EXPECT_GE(shortest, milliseconds(800));
  EXPECT_LE(shortest, milliseconds(810));
  EXPECT_LE(longest, milliseconds(1200));
  EXPECT_GE(longest, milliseconds(1190));
}

TEST(HealthBook, OneCheckOfATargetAtATime) {
  HealthBook book(4);
  book.replace("default/web", targets_of(1, 1, {.interval = seconds(1)}), Time{});
  ASSERT_TRUE(book.begin(book.next_due().value()));
  EXPECT_EQ(book.next_due(), std::nullopt);
  EXPECT_FALSE(book.begin(Time(seconds(100))));
  book.finish(1, {}, Time(seconds(100)));
  EXPECT_EQ(book.next_due(), Time(seconds(100)));
  EXPECT_EQ(book.late(), 0U);
  EXPECT_TRUE(book.begin(Time(seconds(101))));
  EXPECT_EQ(book.late(), 1U) << "a second after it was due";
}

TEST(HealthBook, AResultOfATargetThatLeftIsPassedOver) {
  HealthBook book(5);
  const HealthCheck check{.fall = 1};
  book.replace("default/web", targets_of(1, 1, check), Time{});
  ASSERT_TRUE(book.begin(Time(seconds(5))));
  book.replace("default/web", targets_of(2, 2, check), Time(seconds(5)));
  EXPECT_EQ(book.finish(1, {.outcome = Outcome::failed}, Time(seconds(6))), std::nullopt);
  EXPECT_EQ(book.finish(2, {.outcome = Outcome::failed}, Time(seconds(6))), std::nullopt) << "it was not begun";
  book.replace("default/web", {}, Time(seconds(7)));
  EXPECT_EQ(book.size(), 0U);
  EXPECT_EQ(book.next_due(), std::nullopt);
}

TEST(HealthBook, AnEditedCheckKeepsWhatIsKnown) {
  HealthBook book(6);
  book.replace("default/web", targets_of(1, 1, {.rise = 2, .fall = 1}), Time{});
  EXPECT_EQ(check_next(book, Outcome::failed), (CheckVerdict{.id = 1, .failed = true}));
  book.replace("default/web", targets_of(1, 1, {.interval = seconds(60), .rise = 2, .fall = 1}), Time(seconds(9)));
  EXPECT_TRUE(book.states("default/web").at(0).failed);
  EXPECT_LT(book.next_due().value(), Time(seconds(9 + 60)));
  check_next(book, Outcome::passed);
  EXPECT_EQ(check_next(book, Outcome::passed), (CheckVerdict{.id = 1, .failed = false}));
}

/// What a target's results come to, read from their beginning each time.
bool failed_by(const std::vector<bool>& passes, const HealthCheck& check) {
  bool failed = false;
  for (size_t end = 1; end <= passes.size(); ++end) {
    const size_t wanted = failed ? check.rise : check.fall;
    size_t alike = 0;
    while (alike < end && passes[end - 1 - alike] == failed) {
      ++alike;
    }
    failed = alike >= wanted ? !failed : failed;
  }
  return failed;
}

TEST(HealthBook, AgreesWithASlowReferenceWhateverHappens) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    std::mt19937_64 random(seed);
    const auto one_of = [&](uint64_t most) { return std::uniform_int_distribution<uint64_t>(0, most - 1)(random); };
    HealthBook book(seed);
    struct Known {
      HealthCheck check;
      std::vector<bool> passes;
      bool told = false;
      std::optional<Time> begun;
    };
    std::map<std::string, std::map<uint64_t, Known>> services;
    const auto find = [&](uint64_t id) -> Known* {
      for (auto& [name, known] : services) {
        if (const auto at = known.find(id); at != known.end()) {
          return &at->second;
        }
      }
      return nullptr;
    };
    std::vector<uint64_t> under_way;  // of some the target left
    uint64_t last_id = 0;
    Time now{};
    for (int step = 0; step < 2000; ++step) {
      now += milliseconds(one_of(300));
      if (one_of(20) == 0) {
        const std::string name = "default/" + std::to_string(one_of(3));
        auto& known = services[name];
        std::erase_if(known, [&](const auto&) { return one_of(4) == 0; });
        const HealthCheck check{.interval = milliseconds(100 + 100 * one_of(20)),
                                .rise = static_cast<uint32_t>(1 + one_of(4)),
                                .fall = static_cast<uint32_t>(1 + one_of(4)),
                                .jitter_percent = static_cast<uint32_t>(one_of(51))};
        for (uint64_t more = one_of(4); more > 0; --more) {
          known[++last_id].check = check;
        }
        std::vector<CheckTarget> targets;
        for (const auto& [id, each] : known) {
          targets.push_back(target_of(id, each.check, name));
        }
        book.replace(name, targets, now);
      }
      while (const std::optional<CheckTarget> target = one_of(3) > 0 ? book.begin(now) : std::nullopt) {
        Known* known = find(target->id);
        ASSERT_NE(known, nullptr) << "seed " << seed << ": a check of a target that left";
        ASSERT_EQ(std::count(under_way.begin(), under_way.end(), target->id), 0) << "seed " << seed;
        if (known->begun) {
          const nanoseconds interval = known->check.interval;
          EXPECT_GE(now - *known->begun, interval - interval / 100 * known->check.jitter_percent) << "seed " << seed;
        }
        known->begun = now;
        under_way.push_back(target->id);
      }
      while (!under_way.empty() && one_of(2) > 0) {
        const size_t which = one_of(under_way.size());
        const uint64_t id = under_way[which];
        under_way.erase(under_way.begin() + static_cast<std::ptrdiff_t>(which));
        const uint64_t said = one_of(12);
        const Outcome outcome = said == 0 ? Outcome::inconclusive : said < 6 ? Outcome::failed : Outcome::passed;
        const std::optional<CheckVerdict> verdict = book.finish(id, {.outcome = outcome}, now);
        Known* known = find(id);
        if (known == nullptr) {
          ASSERT_EQ(verdict, std::nullopt) << "seed " << seed;
          continue;
        }
        if (outcome != Outcome::inconclusive) {
          known->passes.push_back(outcome == Outcome::passed);
        }
        const bool failed = failed_by(known->passes, known->check);
        ASSERT_EQ(verdict.has_value(), failed != known->told) << "seed " << seed << " step " << step;
        if (verdict) {
          ASSERT_EQ(*verdict, (CheckVerdict{.id = id, .failed = failed}));
        }
        known->told = failed;
      }
      size_t count = 0;
      for (const auto& [name, known] : services) {
        count += known.size();
      }
      ASSERT_EQ(book.size(), count);
    }
    for (const CheckState& state : book.states()) {
      EXPECT_EQ(state.failed, find(state.target.id)->told);
    }
  }
}

}  // namespace
}  // namespace weft::registry

// SPDX-License-Identifier: Apache-2.0
#include "ops/access.h"

#include <fmt/format.h>

#include "ops/access_report.h"
#include "ops/options.h"
#include "ops/service_names.h"
#include "ops/wall_clock.h"
#include "runtime/access.h"

namespace weft::ops {
namespace {

constexpr int64_t kMostRequests = 1'000'000'000;
/// Of one look: a client that does not read has no more than some looks' worth waiting.
constexpr uint32_t kALook = 1024;

class AccessStream : public Stream {
 public:
  AccessStream(node::Node& node, std::shared_ptr<runtime::Access> access, std::optional<uint64_t> count,
               std::optional<time::Time> duration, Form form)
      : node_(node), access_(std::move(access)), count_(count), duration_(duration), form_(form) {}
  ~AccessStream() override { stop(); }
  AccessStream(const AccessStream&) = delete;
  AccessStream& operator=(const AccessStream&) = delete;

  std::string next() override {
    keep_time();
    std::string text = announcement();
    const bool is_through = collect(text);
    tell_missed(text);
    if (shown_ == count_ || (is_late_ && is_through)) {
      stop();
      text += last_line(shown_ == count_ ? "count" : "time");
      ended_ = true;
    }
    return text;
  }
  void keep_time() override {
    is_late_ = is_late_ || (duration_ && clock_.since_start() > *duration_);
    if (is_late_) {
      stop();  // what was recorded until now is still shown
    }
  }
  bool ended() const override { return ended_; }

 private:
  void stop() {
    if (!stopped_) {
      stopped_ = true;
      node_.watchers().remove(access_);
    }
  }
  /// Whoever reads it knows that nothing from now on is left out in silence.
  std::string announcement() {
    if (announced_) {
      return "";
    }
    announced_ = true;
    return form_ == Form::json ? as_line({{"following", "requests"}}) : access_heading();
  }
  /// @returns whether all that there is was told of
  bool collect(std::string& text) {
    const auto snapshot = node_.snapshots().current();
    proxy::AccessRecord record;
    for (uint32_t i = 0; i < kALook; ++i) {
      if (shown_ == count_ || !access_->take(record)) {
        return true;
      }
      const Json request = as_json(record, node_.time_of_day(record.began), *snapshot);
      text += form_ == Form::json ? as_line(request) : access_line(request);
      ++shown_;
    }
    return false;
  }
  /// Of which service those were that ended in too full a turn nobody knows: they count for every filter.
  uint64_t missed() const { return access_->missed() + node_.records_missed() - missed_before_; }
  void tell_missed(std::string& text) {
    if (const uint64_t missed = this->missed(); missed > told_missed_) {
      const uint64_t more = missed - std::exchange(told_missed_, missed);
      text += form_ == Form::json ? as_line({{"missed", more}}) : fmt::format("{} requests are missing here\n", more);
    }
  }
  std::string last_line(std::string_view ended_by) const {
    if (form_ == Form::json) {
      return as_line({{"requests", shown_}, {"missed", missed()}, {"ended_by", ended_by}});
    }
    return fmt::format("{} requests, {} missed; ended by {}\n", shown_, missed(), ended_by);
  }

  node::Node& node_;
  std::shared_ptr<runtime::Access> access_;
  const std::optional<uint64_t> count_;
  const std::optional<time::Time> duration_;
  const Form form_;
  const WallClock clock_{runtime::Eal::tsc_hertz()};
  const uint64_t missed_before_ = node_.records_missed();
  uint64_t shown_ = 0;
  uint64_t told_missed_ = 0;
  bool announced_ = false;
  bool is_late_ = false;
  bool stopped_ = false;
  bool ended_ = false;
};

}  // namespace

Begun access(node::Node& node, const Words& arguments, Form form) {
  Options options(arguments);
  runtime::AccessFilter filter;
  if (options.take("service")) {
    const auto services = services_named(*node.snapshots().current(), options.service());
    if (!services) {
      return tl::unexpected(services.error());
    }
    for (const lb::Service* service : *services) {
      filter.service_slots.push_back(service->slot);
    }
  }
  filter.only_failed = options.take("failed");
  const auto count = options.number_after("count", 1, kMostRequests);
  const auto duration = options.duration();
  if (!options.error().empty() || !options.rest().empty()) {
    return tl::unexpected(options.error());
  }
  auto access = std::make_shared<runtime::Access>(static_cast<uint32_t>(node.workers().size()), std::move(filter));
  if (auto added = node.watchers().add(access); !added) {
    return tl::unexpected("access: " + added.error());
  }
  return std::make_unique<AccessStream>(
      node, std::move(access), count ? std::optional(static_cast<uint64_t>(*count)) : std::nullopt, duration, form);
}

}  // namespace weft::ops

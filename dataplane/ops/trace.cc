// SPDX-License-Identifier: Apache-2.0
#include "ops/trace.h"

#include <fmt/format.h>

#include "ops/journey_report.h"
#include "ops/options.h"
#include "registry-sync/diagnostic.h"
#include "registry-sync/yaml_fields.h"
#include "runtime/watch.h"

namespace weft::ops {
namespace {

constexpr int64_t kMostPackets = 1000;
constexpr std::chrono::seconds kDefaultDuration(10);
/// A worker that lost its core between two records of one packet is back by then, as a rule.
constexpr std::chrono::milliseconds kSettles(50);

class TraceStream : public Stream {
 public:
  TraceStream(node::Node& node, std::shared_ptr<runtime::Trace> trace, uint32_t packets, time::Time duration, Form form)
      : node_(node), trace_(std::move(trace)), packets_(packets), duration_(duration), form_(form) {
    for (size_t port = 0; port < node.ports().size(); ++port) {
      port_names_.push_back(node.ports().device(port, 0).name());
    }
  }
  ~TraceStream() override { stop(); }
  TraceStream(const TraceStream&) = delete;
  TraceStream& operator=(const TraceStream&) = delete;

  std::string next() override {
    keep_time();
    collect();
    std::string text = announcement();
    const auto snapshot = node_.snapshots().current();
    const uint64_t now = time::TscClock::cycles();
    const uint64_t settling = runtime::Eal::tsc_hertz() / 1000 * kSettles.count();
    for (const Journey& journey : journeys_.settle(stopped_ ? now : now - settling)) {
      if (shown_ == packets_) {
        break;
      }
      const Json json = as_json(journey, ++shown_, clock_.at(journey.cycles), port_names_, *snapshot);
      text += form_ == Form::json ? as_line(json) : journey_text(json);
    }
    if (stopped_ || shown_ == packets_) {
      text += last_line();
      stop();
      ended_ = true;
    }
    return text;
  }
  void keep_time() override {
    if (clock_.since_start() > duration_) {
      stop();  // what was recorded until now is still shown
    }
  }
  bool ended() const override { return ended_; }

 private:
  void stop() {
    if (!stopped_) {
      stopped_ = true;
      node_.watchers().remove(trace_);
    }
  }
  void collect() {
    runtime::TraceRecord record;
    for (uint32_t worker = 0; worker < trace_->workers(); ++worker) {
      while (trace_->take(worker, record)) {
        journeys_.add(worker, record);
      }
    }
  }
  /// Whoever reads it knows that nothing from now on is missed.
  std::string announcement() {
    if (announced_) {
      return "";
    }
    announced_ = true;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration_).count();
    return form_ == Form::json
               ? as_line({{"tracing", packets_}, {"seconds", seconds}})
               : fmt::format("tracing {} packet{}, for {} s at most\n", packets_, packets_ == 1 ? "" : "s", seconds);
  }
  std::string last_line() const {
    if (form_ == Form::json) {
      return as_line({{"packets", shown_}, {"ended_by", shown_ == packets_ ? "packets" : "time"}});
    }
    return fmt::format("{} packet{}{}\n", shown_, shown_ == 1 ? "" : "s",
                       shown_ == packets_ ? "" : ", and then the time was up");
  }

  node::Node& node_;
  std::shared_ptr<runtime::Trace> trace_;
  const uint32_t packets_;
  const time::Time duration_;
  const Form form_;
  const WallClock clock_{runtime::Eal::tsc_hertz()};
  std::vector<std::string> port_names_;
  Journeys journeys_;
  uint32_t shown_ = 0;
  bool announced_ = false;
  bool stopped_ = false;
  bool ended_ = false;
};

}  // namespace

Begun trace(node::Node& node, const Words& arguments, Form form) {
  if (arguments.empty()) {
    return tl::unexpected(std::string());
  }
  const auto packets = registry::parse_integer(arguments[0], 1, kMostPackets);
  if (!packets) {
    return tl::unexpected(fmt::format("trace: expected a number of packets from 1 to {}, got {}", kMostPackets,
                                      registry::in_quotes(arguments[0])));
  }
  const Words words(arguments.begin() + 1, arguments.end());
  Options options(words);
  const auto duration = options.duration();
  if (!options.error().empty()) {
    return tl::unexpected(options.error());
  }
  auto filter = runtime::PacketFilter::compile(options.rest());
  if (!filter) {
    return tl::unexpected(filter.error());
  }
  const auto count = static_cast<uint32_t>(*packets);
  auto trace =
      std::make_shared<runtime::Trace>(static_cast<uint32_t>(node.workers().size()), count, std::move(*filter));
  if (auto added = node.watchers().add(trace); !added) {
    return tl::unexpected("traces: " + added.error());
  }
  return std::make_unique<TraceStream>(node, std::move(trace), count, duration.value_or(kDefaultDuration), form);
}

}  // namespace weft::ops

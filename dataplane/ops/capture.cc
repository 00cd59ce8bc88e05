// SPDX-License-Identifier: Apache-2.0
#include "ops/capture.h"

#include <fmt/format.h>

#include <algorithm>

#include "ops/options.h"
#include "ops/pcap_file.h"
#include "runtime/watch.h"

namespace weft::ops {
namespace {

constexpr uint32_t kMostACall = 32768;  // packets: other clients wait meanwhile

struct Bounds {
  uint64_t packets = 100'000;
  uint64_t bytes = uint64_t{1024} << 20;
  time::Time duration = std::chrono::seconds(60);
};

class CaptureStream : public Stream {
 public:
  CaptureStream(node::Node& node, std::shared_ptr<runtime::Capture> capture, PcapFile file, const Bounds& bounds,
                Form form)
      : node_(node), capture_(std::move(capture)), file_(std::move(file)), bounds_(bounds), form_(form) {}
  /// The file has what was captured, whoever ends it.
  ~CaptureStream() override {
    if (!stopped_) {
      stop();
      write();
    }
  }
  CaptureStream(const CaptureStream&) = delete;
  CaptureStream& operator=(const CaptureStream&) = delete;

  std::string next() override {
    std::string text;
    if (!announced_) {
      announced_ = true;
      text = form_ == Form::json ? as_line({{"file", file_.path().string()}})
                                 : fmt::format("capturing to {}\n", file_.path().string());
    }
    keep_time();
    if (!reason_.empty()) {
      ended_ = true;
      text += last_line();
    }
    return text;
  }
  /// It goes into a file: nobody has to read anything for that.
  void keep_time() override {
    if (!reason_.empty()) {
      return;
    }
    const bool told_to = !node_.watchers().has(capture_);
    if (told_to || clock_.since_start() > bounds_.duration) {
      reason_ = told_to ? "stopped" : "time";
      stop();  // what was copied until now is still written
    }
    write();
    if (!reason_.empty()) {
      stop();
    }
  }
  bool ended() const override { return ended_; }

 private:
  void stop() {
    if (!stopped_) {
      stopped_ = true;
      node_.watchers().remove(capture_);
      missed_ = capture_->missed();
    }
  }
  void write() {
    const uint64_t before = packets_;
    capture_->look(stopped_ ? UINT32_MAX : kMostACall, [&](const runtime::Capture::Copy& copy) {
      if (packets_ >= bounds_.packets || file_.bytes() >= bounds_.bytes) {
        return false;
      }
      file_.write(clock_.at(copy.cycles), copy.bytes, copy.length);
      ++packets_;
      return true;
    });
    if (packets_ >= bounds_.packets || file_.bytes() >= bounds_.bytes) {
      reason_ = packets_ >= bounds_.packets ? "packets" : "bytes";
    }
    if (packets_ > before) {
      error_ = file_.flush();
      reason_ = error_.empty() ? reason_ : "error";
    }
  }
  std::string last_line() const {
    if (form_ == Form::json) {
      Json json = {{"packets", packets_}, {"missed", missed_}, {"bytes", file_.bytes()}, {"ended_by", reason_}};
      if (!error_.empty()) {
        json["error"] = error_;
      }
      return as_line(json);
    }
    return (error_.empty() ? "" : "error: " + error_ + "\n") +
           fmt::format("{} captured, {} missed, {} bytes; ended by {}\n", packets_, missed_, file_.bytes(), reason_);
  }

  node::Node& node_;
  std::shared_ptr<runtime::Capture> capture_;
  PcapFile file_;
  const Bounds bounds_;
  const Form form_;
  const WallClock clock_{runtime::Eal::tsc_hertz()};
  uint64_t packets_ = 0;
  uint64_t missed_ = 0;
  bool announced_ = false;
  bool stopped_ = false;
  bool ended_ = false;
  std::string reason_;
  std::string error_;
};

}  // namespace

Begun capture(node::Node& node, const Words& arguments, Form form) {
  if (arguments.empty()) {
    return tl::unexpected(std::string());
  }
  const Words words(arguments.begin() + 1, arguments.end());
  Options options(words);
  Bounds bounds;
  runtime::CaptureConfig config;
  for (std::string left = " "; left != options.rest();) {  // in any order
    left = options.rest();
    if (options.take("in")) {
      config.sent = false;
    } else if (options.take("out")) {
      config.received = false;
    } else if (const auto packets = options.number_after("packets", 1, 10'000'000)) {
      bounds.packets = static_cast<uint64_t>(*packets);
    } else if (const auto megabytes = options.number_after("megabytes", 1, 65536)) {
      bounds.bytes = static_cast<uint64_t>(*megabytes) << 20;
    } else if (const auto duration = options.duration()) {
      bounds.duration = *duration;
    } else if (const auto snap = options.number_after("snap", 14, config.snap_bytes)) {
      config.snap_bytes = static_cast<uint32_t>(*snap);
    }
    if (!options.error().empty()) {
      return tl::unexpected(options.error());
    }
  }
  if (!config.received && !config.sent) {
    return tl::unexpected(std::string("capture: in and out exclude each other; without either, both are captured"));
  }
  auto filter = runtime::PacketFilter::compile(options.rest());
  if (!filter) {
    return tl::unexpected(filter.error());
  }
  config.filter = std::move(*filter);
  const uint32_t snap = config.snap_bytes;
  auto capture = std::make_shared<runtime::Capture>(static_cast<uint32_t>(node.workers().size()), std::move(config));
  if (node.watchers().captures() == runtime::Watchers::kMost) {
    return tl::unexpected(fmt::format("captures: {} run already: end one of them first", runtime::Watchers::kMost));
  }
  auto file = PcapFile::create(node.config().captures, arguments[0], snap);
  if (!file) {
    return tl::unexpected(file.error());
  }
  if (auto added = node.watchers().add(capture); !added) {
    return tl::unexpected("captures: " + added.error());
  }
  return std::make_unique<CaptureStream>(node, std::move(capture), std::move(*file), bounds, form);
}

Answer capture_stop(node::Node& node, const Words&) {
  return Json{{"stopped", node.watchers().remove_captures()}};
}

}  // namespace weft::ops

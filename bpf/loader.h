// SPDX-License-Identifier: Apache-2.0
/// @file The eBPF programs in the kernel, their maps and where they are attached, as one object.
///
/// Maps are pinned under `<pin folder>/v<WEFT_ABI_VERSION>/`: they outlive the process, and with them the programs that
/// are attached go on steering. A weftd that starts after a crash loads the programs anew onto the same maps, and
/// nothing is lost meanwhile. The folder is locked: two weftds on the same pins would undo each other's work.
///
/// Destruction closes and leaves everything in the kernel as it is; unpin() is for a weftd that leaves for good.
/// Control thread only: nothing here is thread-safe. Errors are sentences that say what to do.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "bpf/abi.h"
#include "bpf/map.h"

struct redirect;  // of the libbpf skeleton

namespace weft::bpf {

constexpr std::string_view kDefaultPinFolder = "/sys/fs/bpf/weft";

constexpr uint8_t kPresent = 1;  ///< the value of maps that are sets

enum class Program : uint32_t {
  from_pod = WEFT_FROM_POD,
  to_pod = WEFT_TO_POD,
  from_nic = WEFT_FROM_NIC,
  from_host = WEFT_FROM_HOST,  ///< at egress; all others at ingress
};

using Counters = std::array<uint64_t, WEFT_COUNTERS>;  ///< by weft_counter
/// As metrics name it, such as "from_pod_redirected_request".
std::string_view to_string(weft_counter counter);

struct Attached {
  uint32_t ifindex;
  Program program;
};

class Loader {
 public:
  /// Loads the programs, onto the maps pinned in the folder if there are any.
  static tl::expected<std::unique_ptr<Loader>, std::string> load(const std::filesystem::path& pin_folder);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Did the maps exist already? Then what they hold is what another weftd left.
  bool took_over() const { return took_over_; }

  Map<weft_address, uint8_t>& vips() { return maps_->vips; }
  Map<weft_endpoint, uint8_t>& endpoints() { return maps_->endpoints; }
  Map<weft_source, uint8_t>& sources() { return maps_->sources; }
  Map<weft_address, weft_pod>& pods() { return maps_->pods; }
  /// Precondition: worker < WEFT_MAX_WORKERS. @param ifindex to redirect to; 0 drops the worker's traffic, and
  /// counts it
  tl::expected<void, std::string> set_worker(uint32_t worker, uint32_t ifindex);
  /// No workers switch the mesh off: all traffic goes on to the kernel.
  tl::expected<void, std::string> set_settings(const weft_settings& settings);

  /// Attaches at the interface, or replaces the program that a weftd attached there.
  tl::expected<void, std::string> attach(Program program, uint32_t ifindex);
  /// At the other side of an interface that has an attached program. It goes with the interface alone, and is not
  /// remembered: for interfaces that are weft's own.
  tl::expected<void, std::string> attach_beside(Program program, uint32_t ifindex);
  /// Removes what attach() added and nothing else. No error if it, or the interface, is gone already.
  tl::expected<void, std::string> detach(uint32_t ifindex);
  /// Where a weftd attached and did not detach, whether or not the interface is still there.
  tl::expected<std::vector<Attached>, std::string> attached() const;

  /// Sums over the CPUs. They go on from where the last weftd left them.
  tl::expected<Counters, std::string> counters() const;

  /// Removes the pins, and the folders if that leaves them empty. What is still attached works on, but is no
  /// longer found.
  tl::expected<void, std::string> unpin();

  /// For test runs.
  int fd(Program program) const;

 private:
  struct Maps {
    Map<weft_address, uint8_t> vips;
    Map<weft_endpoint, uint8_t> endpoints;
    Map<weft_source, uint8_t> sources;
    Map<weft_address, weft_pod> pods;
    Map<uint32_t, uint32_t> workers;
    Map<uint32_t, weft_settings> settings;
    Map<uint32_t, weft_attachment> attachments;
  };

  Loader() = default;
  tl::expected<void, std::string> load_programs();

  std::filesystem::path folder_;  ///< the pin folder
  std::filesystem::path pins_;    ///< its folder for this version
  int lock_ = -1;                 ///< the pin folder, open and locked: the kernel unlocks it however the process ends
  bool took_over_ = false;
  redirect* skeleton_ = nullptr;
  std::optional<Maps> maps_;
};

}  // namespace weft::bpf

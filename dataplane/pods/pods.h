// SPDX-License-Identifier: Apache-2.0
/// @file The node's pods: which are attached to the mesh, and the veth pairs between them and the workers.
///
/// A Pod here is one veth between a network namespace and the host. Attaching adds weft's eBPF program at the host's
/// end, and writes the pod's addresses into the maps; nothing in the pod changes, as its packets reach the host's end
/// by its own default route. Addresses are those that the namespace has at that moment: whoever may set addresses in a
/// pod must be kept from asking for an attachment, as identity hangs on them. An address that another attached pod has,
/// or that is a VIP, is refused.
///
/// All state is in the kernel (pinned maps, filters, interfaces), so it outlives a crash: pods stay attached, their
/// mesh traffic is dropped until the next start(), which takes over what is still there and forgets what is gone.
/// stop() leaves the machine as it was found.
///
/// Not thread-safe: one control thread owns a Pods. It must stay in the network namespace of start(). Errors are
/// sentences.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "bpf/loader.h"
#include "lb/address.h"
#include "pods/netns.h"
#include "pods/veth.h"

namespace weft::pods {

/// Of the workers' interfaces: IFNAMSIZ is 16 with the final 0, and the longest suffix is "15x".
constexpr size_t kMaxPrefix = 12;
/// Letters, digits, - and _.
bool valid_prefix(std::string_view prefix);

constexpr uint32_t kMinMtu = 576;  ///< RFC 791: every host must take datagrams of this size
/// An AF_XDP frame lies in one packet buffer of 2048 bytes, behind 256 bytes that the kernel keeps and 14 of Ethernet.
constexpr uint32_t kMaxMtu = 2048 - 256 - 14;

struct Config {
  std::string prefix = "weft";  ///< of the workers' interfaces
  uint32_t workers = 1;         ///< 1 to WEFT_MAX_WORKERS
  std::filesystem::path pin_dir = bpf::kDefaultPinFolder;
  uint32_t mtu =
      1500;  ///< of the workers' interfaces: a pod with a larger one is refused, as they would drop what it sends
};

struct Pod {
  std::string netns;      ///< its name under /run/netns, or a path; empty if a taken-over pod's is not to be found
  std::string interface;  ///< the host's end
  uint32_t ifindex = 0;   ///< the host's end
  Mac host_mac{};
  std::string pod_interface;               ///< empty as netns
  Mac mac{};                               ///< the pod's end
  std::vector<lb::Ipv4Address> addresses;  ///< sorted, never empty
};

/// An endpoint of a service, whose packets from here are replies.
struct LocalEndpoint {
  lb::Ipv4Address address{};
  lb::Port port{};
  lb::Protocol protocol{};

  auto operator<=>(const LocalEndpoint&) const = default;
};

class Pods {
 public:
  static tl::expected<std::unique_ptr<Pods>, std::string> start(const Config& config);
  /// stop(), with its error in the log.
  ~Pods();
  Pods(const Pods&) = delete;
  Pods& operator=(const Pods&) = delete;

  /// Attaches every veth that leads from the namespace to the host; nearly always there is one. Attaching again
  /// refreshes addresses. On an error the pod is as it was before.
  tl::expected<std::vector<Pod>, std::string> attach_netns(const std::string& name);
  /// The same for one veth, by the name of the host's end.
  tl::expected<Pod, std::string> attach_interface(const std::string& name);
  /// @param name a namespace as attached or listed, or the host's end
  tl::expected<void, std::string> detach(const std::string& name);
  /// By name of the host's end. Forgets pods whose interface is gone, and attaches again where another program has
  /// removed weft's filter.
  std::vector<Pod> list();

  /// Steers the replies of these too. Call it before a worker can choose them: a reply that came before would not find
  /// its way back.
  tl::expected<void, std::string> add_endpoints(const std::vector<LocalEndpoint>& endpoints);

  /// Makes the maps equal to these. What is new is added before what is old is erased, and in an order in which no
  /// request can come from a reply that is not steered yet. After an error another sync() goes on where this one ended.
  tl::expected<void, std::string> sync(std::vector<lb::Ipv4Address> vips, std::vector<LocalEndpoint> endpoints);

  tl::expected<bpf::Counters, std::string> counters() const { return programs_->counters(); }
  /// By worker; DPDK opens the AF_XDP end of each. The names stay over a restart, the MAC addresses do not.
  const std::vector<WorkerVeth>& workers() const { return workers_; }

  /// Detaches all, removes the interfaces and the pins. Goes on after an error, and returns the first. Idempotent.
  tl::expected<void, std::string> stop();

 private:
  using Addresses = std::vector<lb::Ipv4Address>;
  using Done = tl::expected<void, std::string>;

  Pods(Config config, Netlink netlink, std::unique_ptr<bpf::Loader> programs);
  // start.cc
  Done take_over();
  Done take_over_pod(const Link& link, const std::vector<std::pair<uint32_t, weft_pod>>& entries);
  Done erase_leftovers(const std::vector<std::pair<uint32_t, weft_pod>>& entries);
  Done make_workers();
  // pods.cc
  tl::expected<Pod, std::string> attach(const Netns& netns, const PodVeth& veth);
  Done refuse_addresses(const Pod& pod) const;
  Done write_addresses(const Pod& pod);
  Done erase_addresses(uint32_t ifindex, const Addresses& addresses, const Addresses& except);
  Done release(const Pod& pod);
  void notice_changes();

  Config config_;
  Netlink netlink_;
  std::unique_ptr<bpf::Loader> programs_;
  std::vector<WorkerVeth> workers_;
  std::vector<Pod> pods_;              ///< by name of the host's end
  std::set<lb::Ipv4Address> vips_;     ///< what the map holds
  std::set<LocalEndpoint> endpoints_;  ///< what the map holds
  bool stopped_ = false;
};

}  // namespace weft::pods

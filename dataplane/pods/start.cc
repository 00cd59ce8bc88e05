// SPDX-License-Identifier: Apache-2.0
// How a Pods comes to be: from nothing, or from what a weftd that crashed left in the kernel.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "bpf/tc.h"
#include "pods/entries.h"
#include "pods/pods.h"
#include "pods/prefix_lock.h"

namespace weft::pods {
namespace {

tl::expected<void, std::string> check(const Config& config) {
  if (config.workers < 1 || config.workers > WEFT_MAX_WORKERS) {
    return tl::unexpected("pods.workers is " + std::to_string(config.workers) + ": it must be from 1 to " +
                          std::to_string(WEFT_MAX_WORKERS));
  }
  if (!valid_prefix(config.prefix)) {
    return tl::unexpected("pods.prefix is `" + config.prefix + "`: it must be 1 to " + std::to_string(kMaxPrefix) +
                          " letters, digits, - or _");
  }
  if (config.mtu < kMinMtu || config.mtu > kMaxMtu) {
    return tl::unexpected("pods.mtu is " + std::to_string(config.mtu) + ": it must be from " + std::to_string(kMinMtu) +
                          " to " + std::to_string(kMaxMtu) + " (what a packet buffer holds)");
  }
  return {};
}

}  // namespace

bool valid_prefix(std::string_view prefix) {
  return !prefix.empty() && prefix.size() <= kMaxPrefix && std::all_of(prefix.begin(), prefix.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

tl::expected<std::unique_ptr<Pods>, std::string> Pods::start(const Config& config) {
  if (auto good = check(config); !good) {
    return tl::unexpected(good.error());
  }
  auto lock = lock_prefix(config.prefix);
  auto netlink = Netlink::open();
  auto link_events = LinkEvents::open();
  if (!lock || !netlink || !link_events) {
    return tl::unexpected(!lock ? lock.error() : !netlink ? netlink.error() : link_events.error());
  }
  auto programs = bpf::Loader::load(config.pin_dir);
  if (!programs) {
    return tl::unexpected(programs.error());
  }
  const bool took_over = (*programs)->took_over();
  std::unique_ptr<Pods> pods(
      new Pods(config, std::move(*lock), std::move(*netlink), std::move(*link_events), std::move(*programs)));
  Done done = took_over ? pods->take_over() : Done{};
  if (done) {
    done = pods->make_workers();
  }
  if (done) {
    done = pods->add_host_routes();
  }
  if (!done) {
    pods->stopped_ = took_over;  // another weftd's pods stay attached for the next try; what is only ours goes
    return tl::unexpected(done.error());
  }
  return pods;
}

Pods::Pods(Config config, Fd prefix_lock, Netlink netlink, LinkEvents link_events,
           std::unique_ptr<bpf::Loader> programs)
    : config_(std::move(config)),
      prefix_lock_(std::move(prefix_lock)),
      netlink_(std::move(netlink)),
      link_events_(std::move(link_events)),
      programs_(std::move(programs)) {}

Pods::Done Pods::take_over() {
  const auto attached = programs_->attached();
  const auto entries = programs_->pods().entries();
  const auto vips = programs_->vips().entries();
  const auto endpoints = programs_->endpoints().entries();
  if (!attached || !entries || !vips || !endpoints) {
    return tl::unexpected(!attached  ? attached.error()
                          : !entries ? entries.error()
                          : !vips    ? vips.error()
                                     : endpoints.error());
  }
  for (const auto& [address, present] : *vips) {
    vips_.insert(address_of(address));
  }
  for (const auto& [endpoint, present] : *endpoints) {
    endpoints_.insert({.address = address_of(endpoint.address),
                       .port = lb::Port{endpoint.port},
                       .protocol = static_cast<lb::Protocol>(endpoint.protocol)});
  }
  for (const auto& [ifindex, program] : *attached) {
    const auto link = netlink_.find(ifindex);
    if (!link) {
      return tl::unexpected(link.error());
    }
    // An index may be another interface's by now. The old workers' interfaces are about to be replaced, whatever
    // becomes of their filters.
    Done done;
    if (program == bpf::Program::from_pod && *link && (*link)->veth) {
      done = take_over_pod(**link, *entries);
    } else if (program == bpf::Program::from_nic && *link && bpf::has_filter(ifindex)) {
      done = take_over_nic(**link);
    } else {
      done = programs_->detach(ifindex);
    }
    if (!done) {
      return done;
    }
  }
  std::sort(pods_.begin(), pods_.end(), [](const Pod& a, const Pod& b) { return a.interface < b.interface; });
  std::sort(nics_.begin(), nics_.end(), [](const Nic& a, const Nic& b) { return a.interface < b.interface; });
  spdlog::info("took over {} pods, {} NICs, {} VIPs and {} endpoints from a weftd that did not stop in order",
               pods_.size(), nics_.size(), vips_.size(), endpoints_.size());
  return erase_leftovers(*entries);
}

/// With the addresses of its attachment, not those that it may have given itself since.
Pods::Done Pods::take_over_pod(const Link& link, const std::vector<std::pair<weft_address, weft_pod>>& entries) {
  Pod pod{.interface = link.name, .ifindex = link.ifindex, .host_mac = link.mac};
  for (const auto& [address, entry] : entries) {
    if (entry.ifindex == link.ifindex) {
      pod.addresses.push_back(address_of(address));
      std::copy(std::begin(entry.mac), std::end(entry.mac), pod.mac.begin());
    }
  }
  if (pod.addresses.empty()) {  // the crash came in the middle of attaching or detaching it
    return programs_->detach(link.ifindex);
  }
  std::sort(pod.addresses.begin(), pod.addresses.end());
  if (const auto netns = link.peer_netns_id ? find_netns(netlink_, *link.peer_netns_id) : std::nullopt) {
    pod.netns = netns->name;
    if (const auto there = Netlink::open_in(netns->fd)) {
      const auto other_end = there->find(link.peer);
      pod.pod_interface = other_end && *other_end ? (*other_end)->name : "";
    }
  }
  if (auto done = write_addresses(pod); !done) {
    return done;
  }
  if (auto done = programs_->attach(bpf::Program::from_pod, link.ifindex); !done) {
    return done;
  }
  pods_.push_back(std::move(pod));
  return {};
}

Pods::Done Pods::take_over_nic(const Link& link) {
  nics_.push_back({.interface = link.name, .ifindex = link.ifindex});
  return programs_->attach(bpf::Program::from_nic, link.ifindex);
}

/// Addresses of pods that are gone, or that the crash caught half attached or half detached.
Pods::Done Pods::erase_leftovers(const std::vector<std::pair<weft_address, weft_pod>>& entries) {
  const auto sources = programs_->sources().entries();
  if (!sources) {
    return tl::unexpected(sources.error());
  }
  const auto pod_of = [this](uint32_t ifindex) {
    return std::find_if(pods_.begin(), pods_.end(), [&](const Pod& pod) { return pod.ifindex == ifindex; });
  };
  const auto known = [&](uint32_t ifindex, const lb::Address& address) {
    const auto pod = pod_of(ifindex);
    return pod != pods_.end() && std::binary_search(pod->addresses.begin(), pod->addresses.end(), address);
  };
  for (const auto& [source, kind] : *sources) {
    const lb::Address address = address_of(source.address);
    if (const auto pod = pod_of(source.ifindex); kind == WEFT_SOURCE_VIP && pod != pods_.end()) {
      // Which of its addresses is the endpoint, the registry says soon: until then the pod goes on to answer.
      direct_.insert({.address = pod->addresses.front(), .vip = address});
      grants_.emplace(source.ifindex, address);
    } else if (!known(source.ifindex, address)) {
      if (auto done = programs_->sources().erase(source); !done) {
        return done;
      }
    }
  }
  for (const auto& [address, entry] : entries) {
    if (!known(entry.ifindex, address_of(address))) {
      if (auto done = programs_->pods().erase(address); !done) {
        return done;
      }
    }
  }
  return {};
}

Pods::Done Pods::make_workers() {
  // Mesh traffic drops, and is counted, until all workers are there again.
  for (uint32_t worker = 0; worker < WEFT_MAX_WORKERS; ++worker) {
    if (auto done = programs_->set_worker(worker, 0); !done) {
      return done;
    }
  }
  for (uint32_t worker = config_.workers; worker < WEFT_MAX_WORKERS; ++worker) {
    std::ignore = remove_worker_veth(netlink_, config_.prefix, worker);  // a larger run's; if it isn't, it may stay
  }
  for (uint32_t worker = 0; worker < config_.workers; ++worker) {
    auto pair = make_worker_veth(netlink_, config_.prefix, worker, config_.mtu);
    if (!pair) {
      return tl::unexpected(pair.error());
    }
    workers_.push_back(*pair);
    worker_links_.push_back(WorkerLink::up);
    if (auto done = programs_->attach(bpf::Program::to_pod, pair->kernel.ifindex); !done) {
      return done;
    }
  }
  for (uint32_t worker = 0; worker < config_.workers; ++worker) {
    if (auto done = programs_->set_worker(worker, workers_[worker].kernel.ifindex); !done) {
      return done;
    }
  }
  return programs_->set_settings({.workers = config_.workers, .mtu = config_.mtu});
}

/// They go with the interface that they lead over.
Pods::Done Pods::add_host_routes() {
  if (config_.host_routes.empty()) {
    return {};
  }
  const uint32_t first = workers_.front().kernel.ifindex;
  if (auto done = programs_->attach_beside(bpf::Program::from_host, first); !done) {
    return done;
  }
  for (const lb::Prefix& prefix : config_.host_routes) {
    if (auto done = netlink_.add_route(prefix, first); !done) {
      return tl::unexpected("pods.host_routes: " + done.error());
    }
  }
  return {};
}

}  // namespace weft::pods

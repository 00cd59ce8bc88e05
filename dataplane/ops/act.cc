// SPDX-License-Identifier: Apache-2.0
#include "ops/act.h"

#include "registry-sync/diagnostic.h"

namespace weft::ops {
namespace {

Json as_json(const pods::Pod& pod) {
  Json addresses = Json::array();
  for (const lb::Address& address : pod.addresses) {
    addresses.push_back(to_string(address));
  }
  return {{"netns", pod.netns},
          {"interface", pod.interface},
          {"mac", runtime::to_string(pod.mac)},
          {"addresses", addresses}};
}

Json as_json(const std::vector<pods::Pod>& pods) {
  Json list = Json::array();
  for (const pods::Pod& pod : pods) {
    list.push_back(as_json(pod));
  }
  return list;
}

Json as_json(const pods::Nic& nic) {
  return {{"interface", nic.interface}, {"index", nic.ifindex}};
}

tl::unexpected<std::string> no_pods() {
  return tl::unexpected(std::string("this node has no pods: add `pods: {}` to its configuration"));
}

}  // namespace

Answer set_endpoint(node::Node& node, const Words& arguments) {
  if (arguments.size() != 3 || arguments[1] != "state" || (arguments[2] != "ready" && arguments[2] != "drain")) {
    return tl::unexpected(std::string());
  }
  const size_t slash = arguments[0].rfind('/');
  if (slash == std::string::npos) {
    return tl::unexpected("expected <service>/<endpoint>, such as default/web/10.1.0.2, got " +
                          registry::in_quotes(arguments[0]));
  }
  std::string service = arguments[0].substr(0, slash);
  if (service.find('/') == std::string::npos) {
    service = "default/" + service;
  }
  const auto wish = arguments[2] == "drain" ? registry::Override::drain : registry::Override::ready;
  if (auto done = node.registry().set_endpoint(service, arguments[0].substr(slash + 1), wish); !done) {
    return tl::unexpected(done.error());
  }
  return Json{{"endpoint", arguments[0]}, {"state", arguments[2]}, {"epoch", node.snapshots().current()->epoch()}};
}

Answer drain(node::Node& node, const Words&) {
  node.drain(true);
  return Json{{"state", "draining"}, {"http_clients", node.http_clients()}};
}

Answer drain_stop(node::Node& node, const Words&) {
  node.drain(false);
  return Json{{"state", "serving"}, {"http_clients", node.http_clients()}};
}

Answer accept_registry(node::Node& node, const Words&) {
  if (auto done = node.registry().accept(); !done) {
    return tl::unexpected(done.error());
  }
  return Json{{"epoch", node.snapshots().current()->epoch()},
              {"endpoints_lingering", node.registry().status().lingering}};
}

Answer pod_attach(node::Node& node, const Words& arguments) {
  if (!node.has_pods()) {
    return no_pods();
  }
  if (arguments.size() != 2 || (arguments[0] != "netns" && arguments[0] != "interface")) {
    return tl::unexpected(std::string());
  }
  const auto attached = node.with_pods([&](pods::Pods& pods) -> tl::expected<std::vector<pods::Pod>, std::string> {
    if (arguments[0] == "netns") {
      return pods.attach_netns(arguments[1]);
    }
    return pods.attach_interface(arguments[1]).map([](pods::Pod pod) { return std::vector{std::move(pod)}; });
  });
  if (!attached) {
    return tl::unexpected(attached.error());
  }
  return as_json(*attached);
}

Answer pod_detach(node::Node& node, const Words& arguments) {
  const bool has_kind = arguments.size() == 2 && (arguments[0] == "netns" || arguments[0] == "interface");
  if (arguments.size() != 1 && !has_kind) {
    return tl::unexpected(std::string());
  }
  if (!node.has_pods()) {
    return no_pods();
  }
  const auto detached = node.with_pods([&](pods::Pods& pods) {
    if (!has_kind) {
      return pods.detach(arguments[0]);
    }
    return arguments[0] == "netns" ? pods.detach_netns(arguments[1]) : pods.detach_interface(arguments[1]);
  });
  if (!detached) {
    return tl::unexpected(detached.error());
  }
  return Json{{"detached", arguments.back()}};
}

Answer pod_list(node::Node& node, const Words&) {
  return node.has_pods() ? as_json(node.with_pods([](pods::Pods& pods) { return pods.list(); })) : Json::array();
}

Answer nic_attach(node::Node& node, const Words& arguments) {
  if (arguments.size() != 1) {
    return tl::unexpected(std::string());
  }
  if (!node.has_pods()) {
    return no_pods();
  }
  const auto attached = node.with_pods([&](pods::Pods& pods) { return pods.attach_nic(arguments[0]); });
  if (!attached) {
    return tl::unexpected(attached.error());
  }
  return as_json(*attached);
}

Answer nic_detach(node::Node& node, const Words& arguments) {
  if (arguments.size() != 1) {
    return tl::unexpected(std::string());
  }
  if (!node.has_pods()) {
    return no_pods();
  }
  const auto detached = node.with_pods([&](pods::Pods& pods) { return pods.detach_nic(arguments[0]); });
  if (!detached) {
    return tl::unexpected(detached.error());
  }
  return Json{{"detached", arguments[0]}};
}

Answer nic_list(node::Node& node, const Words&) {
  Json list = Json::array();
  if (node.has_pods()) {
    for (const pods::Nic& nic : node.with_pods([](pods::Pods& pods) { return pods.list_nics(); })) {
      list.push_back(as_json(nic));
    }
  }
  return list;
}

}  // namespace weft::ops

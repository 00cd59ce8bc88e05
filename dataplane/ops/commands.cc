// SPDX-License-Identifier: Apache-2.0
#include "ops/commands.h"

#include <fmt/format.h>

#include <array>
#include <sstream>

#include "ops/access.h"
#include "ops/act.h"
#include "ops/capture.h"
#include "ops/get.h"
#include "ops/show.h"
#include "ops/trace.h"
#include "registry-sync/diagnostic.h"

namespace weft::ops {
namespace {

struct Command {
  std::string_view words;      ///< what the line begins with
  std::string_view arguments;  ///< for help
  std::string_view does;       ///< for help
  Answer (*run)(node::Node&, const Words&);
  Begun (*begin)(node::Node&, const Words&, Form) = nullptr;  ///< instead of run
};

Answer help(node::Node& node, const Words& arguments);

constexpr std::array kCommands = {
    Command{"show version", "", "version, node, uptime", show_version},
    Command{"show workers", "", "cycles, bursts, flows and memory of each worker", show_workers},
    Command{"show ports", "", "devices, link and packets of each port", show_ports},
    Command{"show services", "[<service>]", "virtual addresses, flows, table and memory", show_services},
    Command{"show endpoints", "[<service>]", "state, share and flows of each endpoint", show_endpoints},
    Command{"show checks", "[<service>]", "checks of endpoints' health, and what they found", show_checks},
    Command{"show flows", "[service <service>] [limit <n>]", "tracked flows, 100 by default", show_flows},
    Command{"show tcp", "", "what ends at the workers' own TCP: connections, losses, refusals", show_tcp},
    Command{"show http", "", "requests and responses, what was wrong with them, connections to endpoints", show_http},
    Command{"show drops", "", "how packets ended, by name, in workers and in eBPF", show_drops},
    Command{"show snat", "", "the node's own addresses, and how many of their ports are in use", show_snat},
    Command{"show routes", "[<address>|limit <n>]", "the kernel's routes that weft follows, or the one to an address",
            show_routes},
    Command{"show neighbours", "", "whom the kernel knows on the links of twins", show_neighbours},
    Command{"show snapshot", "", "what is in force, since when, and what is wrong with the registry", show_snapshot},
    Command{"get httproute", "[<namespace>/<name>]", "what HTTPRoutes are attached to, and why not", get_httproute},
    Command{"get grpcroute", "[<namespace>/<name>]", "GRPCRoutes, and why none is in force", get_grpcroute},
    Command{"get gateway", "[<namespace>/<name>]", "listeners of Gateways and their conditions", get_gateway},
    Command{"where",
            "tcp|udp <source>:<port> <address>:<port> | <method> http://<service>|<address>[:<port>]<path> "
            "[from <address>] [header <name>: <value>]...",
            "which endpoint this flow or request has or would get, and why", where},
    Command{"trace", "<packets> [for <seconds>] [<filter>]",
            "the next packets' way through every stage, 10 seconds by default; a filter is tcpdump's", nullptr, trace},
    Command{"access", "[service <service>] [failed] [count <n>] [for <seconds>]",
            "HTTP requests as they finish, a line each, until you leave", nullptr, access},
    Command{"capture stop", "", "end all captures", capture_stop},
    Command{"capture", "<file> [in|out] [packets <n>] [megabytes <n>] [for <seconds>] [snap <bytes>] [<filter>]",
            "packets as they come and go, into a pcap file; 60 seconds by default", nullptr, capture},
    Command{"set endpoint", "<service>/<endpoint> state ready|drain", "stop or resume sending new flows to an endpoint",
            set_endpoint},
    Command{"set registry accept", "", "take it as meant that most endpoints vanished, and let them", accept_registry},
    Command{"drain stop", "", "keep clients of HTTP again", drain_stop},
    Command{"drain", "", "tell clients of HTTP to make new connections, and close those that are idle", drain},
    Command{"pod attach", "netns <name>|interface <name>", "bring a pod's traffic to weft", pod_attach},
    Command{"pod detach", "[netns|interface] <name>", "leave a pod's traffic to the kernel again", pod_detach},
    Command{"pod list", "", "attached pods", pod_list},
    Command{"nic attach", "<interface>", "bring replies, requests and tunnels from a NIC of the kernel's to weft",
            nic_attach},
    Command{"nic detach", "<interface>", "leave a NIC's traffic to the kernel again", nic_detach},
    Command{"nic list", "", "attached NICs", nic_list},
    Command{"help", "", "this list", help},
};

Answer help(node::Node&, const Words&) {
  Json list = Json::array();
  for (const Command& command : kCommands) {
    list.push_back(
        {{"command", fmt::format("{}{}{}", command.words, command.arguments.empty() ? "" : " ", command.arguments)},
         {"does", command.does}});
  }
  return list;
}

Words split(std::string_view line) {
  std::istringstream stream{std::string(line)};
  Words words;
  for (std::string word; stream >> word;) {
    words.push_back(word);
  }
  return words;
}

/// The words behind the command's own, or nothing if the line is another command.
const Command* find(const Words& words, Words& arguments) {
  for (const Command& command : kCommands) {
    const Words own = split(command.words);
    if (words.size() >= own.size() && std::equal(own.begin(), own.end(), words.begin())) {
      arguments.assign(words.begin() + static_cast<std::ptrdiff_t>(own.size()), words.end());
      return &command;
    }
  }
  return nullptr;
}

std::string error_text(const std::string& error, Form form) {
  return form == Form::json ? as_line({{"error", error}}) : "error: " + error + "\n";
}

tl::expected<Reply, std::string> run(node::Node& node, const Command& command, const Words& arguments, Form form) {
  Reply reply;
  if (command.begin != nullptr) {
    Begun begun = command.begin(node, arguments, form);
    if (!begun) {
      return tl::unexpected(begun.error());
    }
    reply.rest = std::move(*begun);
    return reply;
  }
  const Answer answer = command.run(node, arguments);
  if (!answer) {
    return tl::unexpected(answer.error());
  }
  reply.text = form == Form::json ? as_line(*answer) : as_text(*answer);
  return reply;
}

tl::expected<Reply, std::string> execute(node::Node& node, std::string_view line, Form form) {
  const Words words = split(line);
  Words arguments;
  const Command* command = find(words, arguments);
  if (command == nullptr) {
    return tl::unexpected(fmt::format("unknown command {}; \"help\" lists what there is", registry::in_quotes(line)));
  }
  if (command->arguments.empty() && !arguments.empty()) {
    return tl::unexpected(fmt::format("\"{}\" takes no arguments, and there is no command {}", command->words,
                                      registry::in_quotes(line)));
  }
  auto reply = run(node, *command, arguments, form);
  if (!reply && reply.error().empty()) {
    return tl::unexpected(fmt::format("usage: {} {}", command->words, command->arguments));
  }
  return reply;
}

}  // namespace

Reply reply_to(node::Node& node, std::string_view line) {
  constexpr std::string_view kJson = "json ";
  const Form form = line.starts_with(kJson) ? Form::json : Form::text;
  auto reply = execute(node, form == Form::json ? line.substr(kJson.size()) : line, form);
  if (!reply) {
    return {.text = error_text(reply.error(), form), .rest = nullptr};
  }
  return std::move(*reply);
}

}  // namespace weft::ops

// SPDX-License-Identifier: Apache-2.0
/// @file The node's commands as people read of them: in the node's own `help`, and in weftctl's, which needs no node.
#pragma once

#include <array>
#include <string_view>

namespace weft::ops {

struct CommandText {
  std::string_view words;      ///< what the line begins with
  std::string_view arguments;  ///< for help
  std::string_view does;       ///< for help
};

/// A command stands before those whose words are the beginning of its own.
inline constexpr std::array kCommandTexts = {
    CommandText{"show version", "", "version, node, uptime"},
    CommandText{"show workers", "", "cycles, bursts, flows and memory of each worker"},
    CommandText{"show ports", "", "devices, link and packets of each port"},
    CommandText{"show services", "[<service>]", "virtual addresses, flows, table and memory"},
    CommandText{"show endpoints", "[<service>]", "state, share and flows of each endpoint"},
    CommandText{"show checks", "[<service>]", "checks of endpoints' health, and what they found"},
    CommandText{"show flows", "[service <service>] [limit <n>]", "tracked flows, 100 by default"},
    CommandText{"show tcp", "", "what ends at the workers' own TCP: connections, losses, refusals"},
    CommandText{"show http", "", "requests and responses, what was wrong with them, connections to endpoints"},
    CommandText{"show protections", "[<service>]",
                "circuit breakers, retry budgets and outlier detection: bounds, what is in use, what was refused; and "
                "signatures that were found"},
    CommandText{"show faults", "[<service>]", "faults that are injected on purpose, and what they did"},
    CommandText{"show dns", "", "queries to weft's own name server, how they were answered, and who else was asked"},
    CommandText{"show drops", "", "how packets ended, by name, in workers and in eBPF"},
    CommandText{"show snat", "", "the node's own addresses, and how many of their ports are in use"},
    CommandText{"show routes", "[<address>|limit <n>]",
                "the kernel's routes that weft follows, or the one to an address"},
    CommandText{"show neighbours", "", "whom the kernel knows on the links of twins"},
    CommandText{"show registry", "", "where the registry is, how current, and what of it is refused or held"},
    CommandText{"show snapshot", "", "what is in force, since when, and what is wrong with the registry"},
    CommandText{"show metrics", "", "all that is counted, in Prometheus' text format"},
    CommandText{"get httproute", "[<namespace>/<name>]", "what HTTPRoutes are attached to, and why not"},
    CommandText{"get grpcroute", "[<namespace>/<name>]", "GRPCRoutes, and why none is in force"},
    CommandText{"get gateway", "[<namespace>/<name>]", "listeners of Gateways and their conditions"},
    CommandText{"where",
                "tcp|udp <source>:<port> <address>:<port> | <method> http://<service>|<address>[:<port>]<path> "
                "[from <address>] [header <name>: <value>]...",
                "which endpoint this flow or request has or would get, and why"},
    CommandText{"trace", "<packets> [for <seconds>] [<filter>]",
                "the next packets' way through every stage, 10 seconds by default; a filter is tcpdump's"},
    CommandText{"access", "[service <service>] [failed] [count <n>] [for <seconds>]",
                "HTTP requests as they finish, a line each, until you leave"},
    CommandText{"capture stop", "", "end all captures"},
    CommandText{"capture", "<file> [in|out] [packets <n>] [megabytes <n>] [for <seconds>] [snap <bytes>] [<filter>]",
                "packets as they come and go, into a pcap file; 60 seconds by default"},
    CommandText{"fault start",
                "-f <file>|spec <json>|[name <name>] service|route|gateway <name> [port <n>] [from-service <service>] "
                "[from-namespace <namespace>] [from-address <prefix>] [header <name>[=<value>]] [percentage <p>] "
                "[delay <time>[..<time>]] [abort <status>|reset] [loss <p>] [bandwidth <bits>] [dead [<endpoint>]] "
                "for <time>",
                "inject a fault for a while, an hour at most; each word may be a flag, such as --for 30s"},
    CommandText{"fault list", "[<service>]", "as show faults"},
    CommandText{"fault stop", "<name>|all", "end a fault that was started, or all of them"},
    CommandText{"set endpoint", "<service>/<endpoint> state ready|drain",
                "stop or resume sending new flows to an endpoint"},
    CommandText{"set registry accept", "", "take it as meant that most endpoints vanished, and let them"},
    CommandText{"drain stop", "", "keep clients of HTTP again"},
    CommandText{"drain", "", "tell clients of HTTP to make new connections, and close those that are idle"},
    CommandText{"pod attach", "netns <name>|interface <name>", "bring a pod's traffic to weft"},
    CommandText{"pod detach", "[netns|interface] <name>", "leave a pod's traffic to the kernel again"},
    CommandText{"pod list", "", "attached pods"},
    CommandText{"nic attach", "<interface>", "bring replies, requests and tunnels from a NIC of the kernel's to weft"},
    CommandText{"nic detach", "<interface>", "leave a NIC's traffic to the kernel again"},
    CommandText{"nic list", "", "attached NICs"},
    CommandText{"help", "", "this list"},
};

}  // namespace weft::ops

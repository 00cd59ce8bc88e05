// SPDX-License-Identifier: Apache-2.0
#include "ops/commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "ops/access.h"
#include "ops/act.h"
#include "ops/capture.h"
#include "ops/command_texts.h"
#include "ops/faults.h"
#include "ops/get.h"
#include "ops/show.h"
#include "ops/show_metrics.h"
#include "ops/trace.h"
#include "registry-sync/diagnostic.h"

namespace weft::ops {
namespace {

struct Command {
  std::string_view words;  ///< those of its text
  Answer (*run)(node::Node&, const Words&);
  Begun (*begin)(node::Node&, const Words&, Form) = nullptr;  ///< instead of run
  std::string (*tell)(node::Node&) = nullptr;                 ///< likewise: in a text form of its own, not in JSON
};

Answer help(node::Node& node, const Words& arguments);

constexpr std::array kCommands = {
    Command{"show version", show_version},
    Command{"show workers", show_workers},
    Command{"show ports", show_ports},
    Command{"show services", show_services},
    Command{"show endpoints", show_endpoints},
    Command{"show checks", show_checks},
    Command{"show flows", show_flows},
    Command{"show tcp", show_tcp},
    Command{"show http", show_http},
    Command{"show protections", show_protections},
    Command{"show faults", show_faults},
    Command{"show dns", show_dns},
    Command{"show drops", show_drops},
    Command{"show snat", show_snat},
    Command{"show routes", show_routes},
    Command{"show neighbours", show_neighbours},
    Command{"show registry", show_registry},
    Command{"show snapshot", show_snapshot},
    Command{"show metrics", nullptr, nullptr, metrics_of},
    Command{"get httproute", get_httproute},
    Command{"get grpcroute", get_grpcroute},
    Command{"get gateway", get_gateway},
    Command{"where", where},
    Command{"trace", nullptr, trace},
    Command{"access", nullptr, access},
    Command{"capture stop", capture_stop},
    Command{"capture", nullptr, capture},
    Command{"fault start", fault_start},
    Command{"fault list", show_faults},
    Command{"fault stop", fault_stop},
    Command{"set endpoint", set_endpoint},
    Command{"set registry accept", accept_registry},
    Command{"drain stop", drain_stop},
    Command{"drain", drain},
    Command{"pod attach", pod_attach},
    Command{"pod detach", pod_detach},
    Command{"pod list", pod_list},
    Command{"nic attach", nic_attach},
    Command{"nic detach", nic_detach},
    Command{"nic list", nic_list},
    Command{"help", help},
};
static_assert(std::equal(kCommands.begin(), kCommands.end(), kCommandTexts.begin(), kCommandTexts.end(),
                         [](const Command& command, const CommandText& text) { return command.words == text.words; }),
              "each command has its text, in the same order");

const CommandText& text_of(const Command& command) {
  return kCommandTexts[static_cast<size_t>(&command - kCommands.data())];
}

Answer help(node::Node&, const Words&) {
  Json list = Json::array();
  for (const CommandText& text : kCommandTexts) {
    list.push_back({{"command", fmt::format("{}{}{}", text.words, text.arguments.empty() ? "" : " ", text.arguments)},
                    {"does", text.does}});
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
  if (command.tell != nullptr) {
    if (form == Form::json) {
      return tl::unexpected(fmt::format("\"{}\" is in Prometheus' text format, and not in JSON", command.words));
    }
    reply.text = command.tell(node);
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
  if (text_of(*command).arguments.empty() && !arguments.empty()) {
    return tl::unexpected(fmt::format("\"{}\" takes no arguments, and there is no command {}", command->words,
                                      registry::in_quotes(line)));
  }
  auto reply = run(node, *command, arguments, form);
  if (!reply && reply.error().empty()) {
    return tl::unexpected(fmt::format("usage: {} {}", command->words, text_of(*command).arguments));
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

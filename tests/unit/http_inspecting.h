// SPDX-License-Identifier: Apache-2.0
/// @file Tests of inspection in the proxy: services with signatures, and messages that are cut.
#pragma once

#include "http_proxied.h"
#include "lb/inspection.h"

namespace weft::proxy {

using Signature = lb::Signature;
using Message = lb::Signature::Message;
using Part = lb::Signature::Part;
using Action = lb::Signature::Action;

inline Signature looking_for(Message message, Part part, const std::string& text, Action action = Action::deny) {
  return {.name = "for-" + text, .message = message, .part = part, .text = text, .header = {}, .action = action};
}
inline lb::InspectionRules policy_of(std::vector<Signature> signatures, const std::string& name = "default/p") {
  lb::InspectionRules rules;
  rules.policy = name;
  rules.signatures = std::move(signatures);
  return rules;
}

/// In chunks of so many bytes.
inline std::string chunked(std::string_view body, size_t size) {
  std::string text;
  for (size_t at = 0; at < body.size(); at += size) {
    const std::string_view chunk = body.substr(at, size);
    char line[32];
    text += std::string(line, static_cast<size_t>(snprintf(line, sizeof line, "%zx\r\n", chunk.size())));
    text += std::string(chunk) + "\r\n";
  }
  return text + "0\r\n\r\n";
}

class HttpInspecting : public HttpProxied {
 protected:
  explicit HttpInspecting(HttpConfig http = {}) : HttpProxied(http) {}

  /// Kept until the end, as exchanges may outlive a snapshot.
  lb::Service inspecting(lb::Service service, std::vector<lb::InspectionRules> rules) {
    service.inspection = kept_.emplace_back(std::make_shared<const lb::Inspection>(std::move(rules), 1));
    return service;
  }
  void inspect(std::vector<lb::InspectionRules> rules) {
    mesh.publish({inspecting(http_service("default/web", 1, {1}), std::move(rules))});
  }
  void inspect(std::vector<Signature> signatures) {
    inspect(std::vector<lb::InspectionRules>{policy_of(std::move(signatures))});
  }
  std::string signature_of_last() const {
    return mesh.records.empty() ? "no record" : std::string(mesh.records.back().signature.view());
  }
  /// A request in these parts, each of which comes when the last one was dealt with.
  Told ask_in_parts(const std::vector<std::string_view>& parts, std::string_view answer = kOk) {
    const auto client = mesh.connect();
    Told told;
    for (const std::string_view part : parts) {
      mesh.say(client, part);
    }
    for (HttpMesh::Heard& heard : mesh.heard()) {
      told.endpoint += heard.text;
      mesh.say(heard.id, answer);
    }
    told.client = mesh.hear_client(client);
    mesh.reset(client);
    forget_accepted();
    return told;
  }
  /// A response in these parts. `was_reset` tells whether the client's connection ended so.
  std::string answer_in_parts(const std::vector<std::string_view>& parts, bool& was_reset) {
    const auto client = mesh.connect();
    mesh.outside_events.clear();
    mesh.say(client, kGet);
    std::string got;
    for (HttpMesh::Heard& heard : mesh.heard()) {
      for (const std::string_view part : parts) {
        mesh.say(heard.id, part);
        got += mesh.hear_client(client);
      }
    }
    was_reset = (mesh.told(client) & tcp::event::reset) != 0;
    got += mesh.hear_client(client);
    mesh.reset(client);
    forget_accepted();
    return got;
  }
  void forget_accepted() {
    mesh.records.clear();
    mesh.outside_events.clear();
    mesh.changes.clear();
  }

 private:
  std::vector<std::shared_ptr<const lb::Inspection>> kept_;
};

}  // namespace weft::proxy

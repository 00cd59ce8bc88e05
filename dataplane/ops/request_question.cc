// SPDX-License-Identifier: Apache-2.0
#include "ops/request_question.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "ops/service_names.h"
#include "registry-sync/diagnostic.h"

namespace weft::ops {
namespace {

constexpr std::string_view kScheme = "http://";
constexpr std::string_view kExpected =
    "expected a URL such as http://web.shop/cart or http://10.96.0.10:8080/cart, got ";
const lb::Port kHttpPort = lb::port_from_host(80);

tl::unexpected<std::string> bad_url(const std::string& url) {
  return tl::unexpected(std::string(kExpected) + registry::in_quotes(url));
}

bool is_host(std::string_view header) {
  constexpr std::string_view kHost = "host";
  return std::equal(header.begin(), header.end(), kHost.begin(), kHost.end(),
                    [](unsigned char c, char host) { return std::tolower(c) == host; });
}

/// "web.shop.svc.cluster.local" is shop/web.
std::optional<std::string> service_of(std::string_view said) {
  std::string lower(said);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::string_view host = lower;
  host.remove_suffix(host.ends_with('.') ? 1 : 0);
  for (const std::string_view suffix : {".cluster.local", ".svc"}) {
    if (host.ends_with(suffix)) {
      host.remove_suffix(suffix.size());
    }
  }
  const size_t dot = host.find('.');
  const std::string_view name_space = dot == std::string_view::npos ? "default" : host.substr(dot + 1);
  if (host.empty() || dot == 0 || name_space.empty() || name_space.find('.') != std::string_view::npos) {
    return std::nullopt;
  }
  return fmt::format("{}/{}", name_space, host.substr(0, dot));
}

/// @param authority "host", "host:port", or with an IPv6 address in brackets
tl::expected<void, std::string> read_authority(const std::string& url, std::string_view authority,
                                               RequestQuestion& question) {
  const size_t close = authority.starts_with('[') ? authority.find(']') : 0;
  const size_t colon = close == std::string_view::npos ? close : authority.find(':', close);
  const std::string_view host = authority.substr(0, colon);
  question.port = kHttpPort;
  if (colon != std::string_view::npos) {
    const auto port = lb::parse_port(authority.substr(colon + 1));
    if (!port) {
      return bad_url(url);
    }
    question.port = *port;
  }
  const bool in_brackets = host.starts_with('[') && host.ends_with(']');
  const auto address = lb::parse_address(in_brackets ? host.substr(1, host.size() - 2) : host);
  if (address && address->is_ipv4() != in_brackets) {
    question.address = *address;
    return {};
  }
  const auto service = service_of(host);
  const bool is_literal = address || host.starts_with('[');
  if (is_literal || !service) {
    return is_literal || host.empty()
               ? bad_url(url)
               : tl::unexpected(
                     fmt::format("{} is no service's name: ask http://<service>.<namespace>/, or the virtual "
                                 "address with \"header host: {}\"",
                                 registry::in_quotes(std::string(host)), host));
  }
  question.name = *service;
  return {};
}

/// From the word behind "header" on, to the next "header" or the end. @returns where to go on
size_t read_header(const Words& words, size_t at, std::string& header) {
  for (; at < words.size() && words[at] != "header"; ++at) {
    header += (header.empty() ? "" : " ") + words[at];
  }
  return at;
}

}  // namespace

tl::expected<RequestQuestion, std::string> parse_request_question(const Words& arguments) {
  if (arguments.size() < 2) {
    return tl::unexpected(std::string());
  }
  const std::string& method = arguments[0];
  const std::string& url = arguments[1];
  if (url.starts_with("https://")) {
    return tl::unexpected(std::string("weft does not read what is encrypted: ask for http://"));
  }
  if (!url.starts_with(kScheme)) {
    return bad_url(url);
  }
  const size_t slash = std::min(url.find_first_of("/?#", kScheme.size()), url.size());
  const std::string authority = url.substr(kScheme.size(), slash - kScheme.size());
  RequestQuestion question{.shown = fmt::format("{} {}", method, url)};
  if (auto read = read_authority(url, authority, question); !read) {
    return tl::unexpected(read.error());
  }
  size_t at = 2;
  if (at < arguments.size() && arguments[at] == "from") {
    const std::string text = at + 1 < arguments.size() ? arguments[at + 1] : "";
    question.client = lb::parse_address(text);
    if (!question.client) {
      return tl::unexpected("from: expected an address such as 10.0.0.5, got " + registry::in_quotes(text));
    }
    at += 2;
  }
  std::string fields;
  bool says_host = false;
  while (at < arguments.size()) {
    if (arguments[at] != "header") {
      return tl::unexpected(std::string());
    }
    std::string header;
    at = read_header(arguments, at + 1, header);
    if (header.find(':') == std::string::npos) {
      return tl::unexpected("header: expected <name>: <value>, got " + registry::in_quotes(header));
    }
    says_host |= is_host(std::string_view(header).substr(0, header.find(':')));
    fields += header + "\r\n";
  }
  const std::string target = slash < url.size() && url[slash] != '/' ? "/" + url.substr(slash) : url.substr(slash);
  question.head = fmt::format("{} {} HTTP/1.1\r\n{}{}\r\n", method, target.empty() ? "/" : target,
                              says_host ? "" : fmt::format("Host: {}\r\n", authority), fields);
  return question;
}

tl::expected<const lb::Service*, std::string> service_asked(const lb::Snapshot& snapshot,
                                                            const RequestQuestion& question) {
  if (question.name.empty()) {
    const lb::Service* const service = snapshot.find(question.address, question.port, lb::Protocol::tcp);
    if (service == nullptr) {
      return tl::unexpected(fmt::format("no service has TCP at {}; \"show services\" lists them",
                                        to_string(question.address, question.port)));
    }
    return service;
  }
  const auto services = services_named(snapshot, question.name);
  if (!services) {
    return tl::unexpected(services.error());
  }
  const lb::Service* found = nullptr;
  std::vector<std::string> ports;
  for (const lb::Service* service : *services) {
    if (service->protocol != lb::Protocol::tcp) {
      continue;
    }
    ports.push_back(std::to_string(lb::to_host(service->port)));
    const bool is_better =
        found == nullptr || (question.client && found->address.family() != question.client->family());
    if (service->port == question.port && is_better) {
      found = service;
    }
  }
  if (found == nullptr) {
    return tl::unexpected(fmt::format("service {} has no TCP port {}, but {}", question.name,
                                      lb::to_host(question.port), registry::listed(ports, ", ")));
  }
  return found;
}

}  // namespace weft::ops

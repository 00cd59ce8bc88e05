// SPDX-License-Identifier: Apache-2.0
#include "etcd/member.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>

namespace weft::etcd {
namespace {

constexpr std::string_view kHttp = "http://";
constexpr std::string_view kHttps = "https://";

bool is_https(const std::string& url) {
  return url.starts_with(kHttps);
}

/// "HOST:PORT" of a URL, or an error.
tl::expected<std::string, std::string> authority_of(const std::string& url) {
  const auto wrong = [&](const std::string& what) {
    return tl::make_unexpected("\"" + url.substr(0, 256) + "\": " + what +
                               "; write it as http://HOST:PORT or https://HOST:PORT, such as http://10.0.0.1:2379");
  };
  if (!is_https(url) && !url.starts_with(kHttp)) {
    return wrong("neither http:// nor https:// is in front");
  }
  std::string authority = url.substr(is_https(url) ? kHttps.size() : kHttp.size());
  if (authority.ends_with('/')) {
    authority.pop_back();
  }
  const size_t colon = authority.rfind(':');
  const bool bracketed = authority.starts_with('[');
  if (colon == std::string::npos || (bracketed && authority.find(']') + 1 != colon)) {
    return wrong("there is no port");
  }
  const std::string host = authority.substr(0, colon);
  const std::string port = authority.substr(colon + 1);
  constexpr std::string_view kHostCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  if (host.empty() || (!bracketed && host.find_first_not_of(kHostCharacters) != std::string::npos)) {
    return wrong("there is no host name or address");
  }
  if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != std::string::npos ||
      std::stoi(port) < 1 || std::stoi(port) > 65535) {
    return wrong("the port is no number from 1 to 65535");
  }
  return authority;
}

grpc::ChannelArguments arguments() {
  grpc::ChannelArguments args;
  args.SetMaxReceiveMessageSize(static_cast<int>(kMaxMessageBytes));
  // Who is gone without a word is noticed by pings, of which etcd takes one in 5 s (--grpc-keepalive-min-time).
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 6000);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 2000);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // 0: as many as it takes; the default is two
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);  // also what one attempt may take
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // the environment's proxies are not for a registry
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetServiceConfigJSON("{}");
  args.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  return args;
}

}  // namespace

tl::expected<void, OptionError> check(const Options& options) {
  if (options.endpoints.empty()) {
    return tl::make_unexpected(OptionError{.option = "endpoints", .message = "none is given"});
  }
  for (size_t i = 0; i < options.endpoints.size(); ++i) {
    const std::string& url = options.endpoints[i];
    const auto authority = authority_of(url);
    const auto first = std::find(options.endpoints.begin(), options.endpoints.end(), url);
    if (authority && first == options.endpoints.begin() + static_cast<std::ptrdiff_t>(i)) {
      continue;
    }
    return tl::make_unexpected(
        OptionError{.option = "endpoints[" + std::to_string(i) + "]",
                    .message = authority ? "\"" + url.substr(0, 256) + "\" is there twice" : authority.error()});
  }
  if (has_tls_files(options) && std::none_of(options.endpoints.begin(), options.endpoints.end(), is_https)) {
    return tl::make_unexpected(OptionError{
        .option = !options.ca_file.empty()     ? "ca"
                  : !options.cert_file.empty() ? "certificate"
                                               : "key",
        .message = "is for https://, and no endpoint is: connections to them would be neither encrypted nor proved"});
  }
  return read_tls_files(options).map([](const TlsFiles&) {});
}

std::vector<Member> make_members(const Options& options, const TlsFiles& files) {
  const auto tls = grpc::SslCredentials(
      {.pem_root_certs = files.ca, .pem_private_key = files.key, .pem_cert_chain = files.certificate});
  std::vector<Member> members;
  for (const std::string& url : options.endpoints) {
    auto channel = grpc::CreateCustomChannel("dns:///" + authority_of(url).value(),
                                             is_https(url) ? tls : grpc::InsecureChannelCredentials(), arguments());
    members.push_back({.url = url,
                       .channel = channel,
                       .kv = etcdserverpb::KV::NewStub(channel),
                       .watch = etcdserverpb::Watch::NewStub(channel),
                       .lease = etcdserverpb::Lease::NewStub(channel),
                       .auth = etcdserverpb::Auth::NewStub(channel)});
  }
  return members;
}

}  // namespace weft::etcd

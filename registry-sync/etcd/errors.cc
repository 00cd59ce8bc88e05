// SPDX-License-Identifier: Apache-2.0
#include "etcd/errors.h"

namespace weft::etcd {
namespace {

bool says(const std::string& message, std::string_view part) {
  return message.find(part) != std::string::npos;
}

/// Codes as etcd 3.4's rpctypes/error.go gives them; where one code stands for several things, its words tell.
Error::Kind kind_of(const grpc::Status& status) {
  const std::string& words = status.error_message();
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return Error::Kind::unavailable;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Error::Kind::deadline;
    case grpc::StatusCode::CANCELLED:  // by the member: a client's own are told by Calls::shut()
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::INTERNAL:  // a connection reset within a stream
      return says(words, "etcdserver: ") ? Error::Kind::invalid : Error::Kind::unavailable;
    case grpc::StatusCode::UNAUTHENTICATED:
      return Error::Kind::unauthenticated;
    case grpc::StatusCode::PERMISSION_DENIED:
      return Error::Kind::denied;
    case grpc::StatusCode::OUT_OF_RANGE:
      return says(words, "compacted") ? Error::Kind::compacted : Error::Kind::invalid;
    case grpc::StatusCode::NOT_FOUND:
      return Error::Kind::not_found;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return says(words, "larger than max") ? Error::Kind::too_large : Error::Kind::unavailable;
    case grpc::StatusCode::INVALID_ARGUMENT:
      if (says(words, "authentication failed")) {
        return Error::Kind::unauthenticated;
      }
      return says(words, "request is too large") ? Error::Kind::too_large : Error::Kind::invalid;
    default:
      return Error::Kind::invalid;
  }
}

}  // namespace

std::string_view to_string(Error::Kind kind) {
  switch (kind) {
    case Error::Kind::unavailable:
      return "unavailable";
    case Error::Kind::deadline:
      return "no answer in time";
    case Error::Kind::unauthenticated:
      return "unauthenticated";
    case Error::Kind::denied:
      return "permission denied";
    case Error::Kind::compacted:
      return "compacted";
    case Error::Kind::not_found:
      return "not found";
    case Error::Kind::too_large:
      return "too large";
    case Error::Kind::cancelled:
      return "cancelled";
    case Error::Kind::invalid:
      return "refused";
  }
  return "";
}

Error to_error(const grpc::Status& status, const std::string& member) {
  const Error::Kind kind = kind_of(status);
  return {.kind = kind, .message = member + ": " + std::string(to_string(kind)) + ": " + status.error_message()};
}

bool wants_new_token(const Error& error) {
  return says(error.message, "invalid auth token") || says(error.message, "revision of auth store is old") ||
         says(error.message, "user name is empty") ||
         (error.kind == Error::Kind::denied && says(error.message, "watch was refused"));
}

std::string prefix_end(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') {
    prefix.pop_back();
  }
  if (prefix.empty()) {
    return std::string(1, '\0');  // etcd: all keys from the first on
  }
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

}  // namespace weft::etcd

// SPDX-License-Identifier: Apache-2.0
#include "http/target.h"

#include "http/fields.h"

namespace weft::http {
namespace {

void split(std::string_view path_and_query, RequestHead& head) {
  const size_t mark = path_and_query.find('?');
  head.view.has_query = mark != std::string_view::npos;
  head.view.path = path_and_query.substr(0, mark);
  head.view.query = head.view.has_query ? path_and_query.substr(mark + 1) : std::string_view();
}

/// RFC 9112, section 3.2.2. No userinfo: RFC 9110, section 4.2.4 has it taken for an error.
[[gnu::cold]] Defect read_absolute(RequestHead& head) {
  const size_t colon = head.target.find("://");
  const std::string_view scheme = head.target.substr(0, colon);
  if (colon == std::string_view::npos || !(is_word(scheme, "http") || is_word(scheme, "https"))) {
    return Defect::target;
  }
  const std::string_view rest = head.target.substr(colon + 3);
  const size_t path = std::min(rest.find_first_of("/?"), rest.size());
  const size_t host = length_of_host(rest.substr(0, path), rest, PortIs::optional);
  if (host == 0) {
    return Defect::target;
  }
  set_authority(rest.substr(0, path), host, rest, head);
  split(rest.substr(path), head);
  if (head.view.path.empty()) {  // section 3.2.4: an OPTIONS without a path is for the server as a whole
    head.view.path = head.method == Method::options && !head.view.has_query ? "*" : "/";
  }
  return Defect::none;
}

}  // namespace

Defect read_target(RequestHead& head) {
  if (head.method == Method::connect) [[unlikely]] {  // section 3.2.3
    head.view.path = head.view.query = {};
    head.view.has_query = false;
    const size_t host = length_of_host(head.target, head.target, PortIs::required);
    set_authority(head.target, host, head.target, head);
    return host > 0 ? Defect::none : Defect::target;
  }
  if (head.target[0] == '/') [[likely]] {
    split(head.target, head);
    return Defect::none;
  }
  if (head.target == "*") {
    split(head.target, head);
    return head.method == Method::options ? Defect::none : Defect::target;
  }
  return read_absolute(head);
}

}  // namespace weft::http

// SPDX-License-Identifier: Apache-2.0
#include "proxy/received_request.h"

#include <span>
#include <string_view>

#include "lb/bytes.h"
#include "lb/http_path.h"
#include "lb/http_rewrite.h"

namespace weft::proxy {

std::optional<lb::HttpRequest> ReceivedRequest::make(const lb::HttpRequest& request, const lb::HttpMatch* match,
                                                     const lb::HttpRule& rule, const lb::HttpBackend* backend) {
  lb::HttpRequest received = request;
  const std::optional<lb::Rewrite>& rewrite = rewrite_of(rule, backend);
  if (rewrite) {
    static const lb::HttpMatch kNoMatch;
    lb::HttpRequest bare = request;
    bare.has_query = false;
    const std::span<char> room(path_);
    const std::optional<std::string_view> path =
        lb::rewritten_target(*rewrite, match == nullptr ? kNoMatch : *match, bare, room.first(kLongestPath));
    const std::optional<std::string_view> normal =
        path ? lb::normalize_path(path->substr(0, path->find('?')), room.subspan(kLongestPath)) : std::nullopt;
    if (!normal) {
      return std::nullopt;
    }
    received.path = *normal;
    received.host = rewrite->host.empty() ? request.host : std::string_view(rewrite->host);
  }
  edits_.clear();
  edits_.add(rule.filters.request);
  if (backend != nullptr) {
    edits_.add(backend->filters.request);
  }
  const bool has_host = rewrite && !rewrite->host.empty();
  size_t count = 0;
  for (const lb::HttpField& field : request.fields) {
    if (count < http::kMaxFields && !edits_.drops(field.name) && !(has_host && lb::same_name(field.name, "host"))) {
      fields_[count++] = field;
    }
  }
  if (has_host) {
    fields_[count++] = {"host", rewrite->host};
  }
  for (size_t i = 0; i < edits_.all().size(); ++i) {
    const HeaderEdit& edit = edits_.all()[i];
    if (edit.kind != HeaderEdit::Kind::remove && !edits_.is_undone(i)) {
      fields_[count++] = {edit.name, edit.value};
    }
  }
  received.fields = std::span(fields_).first(count);
  return received;
}

uint64_t fingerprint(const lb::HttpRequest& request) {
  uint64_t hash = lb::hash_of_text(request.host, lb::hash_of_text(request.path, 1));
  for (const lb::HttpField& field : request.fields) {
    hash = lb::hash_of_text(field.value, lb::hash_of_text(field.name, hash));
  }
  return hash | 1;
}

}  // namespace weft::proxy

// A real OpenID Connect provider with client credentials, for tests.
//
// It issues access tokens as RFC 9068 has them (typ at+jwt) for the resource that a client names
// (RFC 8707).  OIDC_CLIENTS has the clients as JSON, {id: {secret, roles, projects}}; standard error
// says where it listens.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import process from 'node:process';

import Provider, { errors } from 'oidc-provider';

const clients = JSON.parse(process.env.OIDC_CLIENTS);
const TTL = Number(process.env.OIDC_TTL ?? 600);

const key = (kid, alg, type, options) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }),
  kid,
  alg,
  use: 'sig',
});

const configuration = {
  clients: Object.entries(clients).map(([client_id, { secret }]) => ({
    client_id,
    client_secret: secret,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_basic',
  })),
  jwks: {
    keys: [
      key('provider-rsa', 'RS256', 'rsa', { modulusLength: 2048 }),
      key('provider-ec', 'ES256', 'ec', { namedCurve: 'P-256' }),
    ],
  },
  cookies: { keys: ['no browser comes here'] },
  extraTokenClaims: (ctx, token) => {
    const { roles, projects } = clients[token.clientId];
    return { roles, projects };
  },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (ctx, resource) => {
        if (!resource.startsWith('https://')) throw new errors.InvalidTarget();
        return {
          scope: '',
          audience: resource,
          accessTokenTTL: TTL,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: resource.endsWith('/rsa') ? 'RS256' : 'ES256' } },
        };
      },
    },
  },
};

let respond;
const server = createServer((request, response) => respond(request, response));
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  respond = new Provider(issuer, configuration).callback();
  process.stderr.write(`issuer ${issuer}\n`);
});

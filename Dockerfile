# A worker (or any other command of the `reprise` CLI) with the flows in examples/. For your own service: install the
# package in your image instead, and run `reprise worker` on your own flows.

FROM node:20-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY src src
RUN npm run build

FROM node:20-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev

FROM node:20-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json ./
COPY examples examples
USER node
# Not through npm, which would keep SIGTERM from the worker: a graceful stop must reach it.
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["--help"]
